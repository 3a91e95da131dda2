define internal i32 @word_at(i64 %host) nounwind {
  %p = inttoptr i64 %host to ptr
  %raw = load i32, ptr %p
  %w = «SWAP»
  ret i32 %w
}

; The line of a word's row: near, far or main, slot, kind (see vmm.engine.native).
define internal ptr @line_of(ptr %st, i32 %w) nounwind {
  %sh = call ptr @shared_of(ptr %st)
  %decoder = call i64 @get(ptr %sh, i64 «sh.decoder»)
  %decode = inttoptr i64 %decoder to ptr
  %id32 = call i32 %decode(i32 %w)
  %id = zext i32 %id32 to i64
  %table = call i64 @get(ptr %sh, i64 «sh.rows»)
  %lo = shl i64 %id, 5
  %la = add i64 %table, %lo
  %line = inttoptr i64 %la to ptr
  ret ptr %line
}

; Whether the word of this record is a branch that would be reserved in the next.  Only asked inside a page.
define internal i1 @next_is_alone(ptr %st, ptr %rec) nounwind {
  %next = getelementptr inbounds i8, ptr %rec, i64 16
  %w = call i32 @word_of_record(ptr %st, ptr %next)
  %line = call ptr @line_of(ptr %st, i32 %w)
  %kind = call i64 @get(ptr %line, i64 24)
  %bit = and i64 %kind, «ALONE»
  %is = icmp ne i64 %bit, 0
  ret i1 %is
}

; Fill a record.  %how: 0 main, 1 slot, 2 main of a single step.  The row's line is returned.
define internal ptr @decode_into(ptr %st, ptr %rec, i32 %w, i64 %idx, i64 %how) nounwind {
  %line = call ptr @line_of(ptr %st, i32 %w)
  %near = call i64 @get(ptr %line, i64 0)
  %far = call i64 @get(ptr %line, i64 8)
  %slot = call i64 @get(ptr %line, i64 16)
  %kind = call i64 @get(ptr %line, i64 24)
  %edge = ptrtoint ptr @edge to i64
  %last = icmp eq i64 %idx, 1023
  %width = and i64 %kind, 255
  %branch = icmp ne i64 %width, 0
  %unused = sub i64 64, %width
  %up = and i64 %unused, 63
  %wz = zext i32 %w to i64
  %top = shl i64 %wz, %up
  %imm = ashr i64 %top, %up
  %j0 = add i64 %idx, %imm
  %j = add i64 %j0, 1
  %inside = icmp ult i64 %j, 1024
  %is_near = and i1 %branch, %inside
  %m1 = select i1 %is_near, i64 %near, i64 %far
  %fb = and i64 %kind, «FORBIDS»
  %forbids = icmp ne i64 %fb, 0
  %main = icmp eq i64 %how, 0
  %ask0 = xor i1 %last, true
  %ask1 = and i1 %ask0, %main
  %ask = and i1 %ask1, %forbids
  br i1 %ask, label %look, label %known
look:
  %alone = call i1 @next_is_alone(ptr %st, ptr %rec)
  br label %known
known:
  %guard = phi i1 [false, %0], [%alone, %look]
  ; a compact jump without a forbidden slot may stand last in its page
  %cb = and i64 %kind, «COMPACT»
  %compact = icmp ne i64 %cb, 0
  %free0 = xor i1 %forbids, true
  %free = and i1 %compact, %free0
  %needs_next = xor i1 %free, true
  %at_edge = and i1 %last, %needs_next
  %carefully = or i1 %at_edge, %guard
  %m2 = select i1 %carefully, i64 %edge, i64 %m1
  ; a row that is no branch may be one that release 6 reserves in a slot: kind 0, or only that flag
  %kb = and i64 %kind, 2047
  %no_branch = icmp eq i64 %kb, 0
  %m3 = select i1 %no_branch, i64 %far, i64 %m2
  %stepping = icmp eq i64 %how, 2
  %in_slot = icmp eq i64 %how, 1
  %h1 = select i1 %stepping, i64 %far, i64 %m3
  %h = select i1 %in_slot, i64 %slot, i64 %h1
  call void @put(ptr %rec, i64 0, i64 %h)
  %a0 = lshr i64 %wz, 21
  %a = and i64 %a0, 31
  %b0 = lshr i64 %wz, 8
  %b = and i64 %b0, 7936
  %c0 = shl i64 %wz, 5
  %c = and i64 %c0, 2031616
  %d0 = shl i64 %wz, 18
  %d = and i64 %d0, 520093696
  %ab = or i64 %a, %b
  %cd = or i64 %c, %d
  %f = or i64 %ab, %cd
  %wh = shl i64 %wz, 32
  %all = or i64 %f, %wh
  call void @put(ptr %rec, i64 8, i64 %all)
  ret ptr %line
}

define internal i32 @word_of_record(ptr %st, ptr %rec) nounwind {
  %sh = call ptr @shared_of(ptr %st)
  %pool = call i64 @get(ptr %sh, i64 «sh.pool»)
  %r = ptrtoint ptr %rec to i64
  %o = sub i64 %r, %pool
  %n = lshr i64 %o, 15
  %pages = call i64 @get(ptr %sh, i64 «sh.page_of_block»)
  %po = shl i64 %n, 3
  %pa = add i64 %pages, %po
  %pp = inttoptr i64 %pa to ptr
  %page = load i64, ptr %pp
  %i0 = lshr i64 %r, 2
  %i = and i64 %i0, 4092
  %host = add i64 %page, %i
  %w = call i32 @word_at(i64 %host)
  ret i32 %w
}

define internal i64 @index_of(ptr %rec) alwaysinline nounwind {
  %r = ptrtoint ptr %rec to i64
  %n = lshr i64 %r, 4
  %i = and i64 %n, 1023
  ret i64 %i
}

define internal i1 @word_has_break(ptr %st, i64 %i) alwaysinline nounwind {
  %bw = lshr i64 %i, 6
  %bo = shl i64 %bw, 3
  %ba = add i64 %bo, «st.break_bits»
  %bits = call i64 @get(ptr %st, i64 %ba)
  %bn = and i64 %i, 63
  %bit0 = lshr i64 %bits, %bn
  %bit = and i64 %bit0, 1
  %has = icmp ne i64 %bit, 0
  ret i1 %has
}

define internal tailcc void @undecoded_main(«ARGS») nounwind {
  %w = call i32 @word_of_record(ptr %st, ptr %rec)
  %i = call i64 @index_of(ptr %rec)
  call ptr @decode_into(ptr %st, ptr %rec, i32 %w, i64 %i, i64 0)
  %has = call i1 @word_has_break(ptr %st, i64 %i)
  br i1 %has, label %stop, label %go
stop:
  store ptr @maybe_break, ptr %rec
  br label %go
go:
  %h = load ptr, ptr %rec
  musttail call tailcc void %h(«PASS»)
  ret void
}

define internal tailcc void @undecoded_slot(«ARGS») nounwind {
  %w = call i32 @word_of_record(ptr %st, ptr %rec)
  %i = call i64 @index_of(ptr %rec)
  call ptr @decode_into(ptr %st, ptr %rec, i32 %w, i64 %i, i64 1)
  %has = call i1 @word_has_break(ptr %st, i64 %i)
  br i1 %has, label %stop, label %go
stop:
  store ptr @maybe_break_slot, ptr %rec
  br label %go
go:
  %h = load ptr, ptr %rec
  musttail call tailcc void %h(«PASS»)
  ret void
}
