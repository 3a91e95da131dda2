; Go to the virtual address in target_va, ticks left in %b.
define internal tailcc void @arrive(«ARGS») nounwind {
  %va = call i64 @get(ptr %st, i64 «st.target_va»)
  musttail call tailcc void @go_to(ptr %st, ptr %rec, i64 %b, ptr %tgt, ptr %view, i64 %va)
  ret void
}

; Behind the last word of a page.
define internal tailcc void @page_end(«ARGS») nounwind {
  %page = call i64 @get(ptr %st, i64 «st.page_va»)
  %va = add i64 %page, 4096
  %left = sub i64 %b, 1024
  musttail call tailcc void @go_to(ptr %st, ptr %rec, i64 %left, ptr %tgt, ptr %view, i64 %va)
  ret void
}

define internal tailcc void @go_to(«ARGS», i64 %va) nounwind {
  %n = lshr i64 %va, 12
  %i = and i64 %n, «FETCH_MASK»
  %o0 = shl i64 %i, 4
  %o = add i64 %o0, «FETCH_AT»
  %e = getelementptr inbounds i8, ptr %view, i64 %o
  %tag = load i64, ptr %e
  %page = and i64 %va, -4096
  %want = and i64 %va, -4093
  %hit = icmp eq i64 %want, %tag
  %w0 = and i64 %va, 4092
  %idx = lshr i64 %w0, 2
  %b2 = add i64 %b, %idx
  %enough = icmp sge i64 %b2, «HORIZON»
  %ok = and i1 %hit, %enough
  br i1 %ok, label %go, label %out, !prof !0
go:
  call void @put(ptr %st, i64 «st.page_va», i64 %page)
  %block = call i64 @get(ptr %e, i64 8)
  %ro = shl i64 %idx, 4
  %ra = add i64 %block, %ro
  %r = inttoptr i64 %ra to ptr
  %h = load ptr, ptr %r
  musttail call tailcc void %h(ptr %st, ptr %r, i64 %b2, ptr %tgt, ptr %view)
  ret void
out:
  call void @put(ptr %st, i64 «st.pc», i64 %va)
  call void @put(ptr %st, i64 «st.in_slot», i64 0)
  call void @note_left(ptr %st, i64 %b)
  ret void
}

; A branch at the end of a page, whose slot is in the next, or a compact branch before a branch: step over it.
define internal tailcc void @edge(«ARGS») nounwind {
  call void @synchronise_main(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call void @put(ptr %st, i64 «st.skip_break», i64 «SKIP_BREAKS»)
  ret void
}

; A word that has a breakpoint in some page: in this one?  If not, it is stepped over.
define internal tailcc void @maybe_break(«ARGS») nounwind {
  call void @synchronise_main(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call void @note_break(ptr %st)
  ret void
}

define internal tailcc void @maybe_break_slot(«ARGS») nounwind {
  call void @synchronise_slot(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call void @note_break(ptr %st)
  ret void
}

define internal void @note_break(ptr %st) nounwind {
  %hit = call i1 @at_break(ptr %st)
  %stop = select i1 %hit, i64 «stop.BREAK», i64 0
  call void @put(ptr %st, i64 «st.stop», i64 %stop)
  %skip = select i1 %hit, i64 0, i64 «SKIP_BREAKS»
  call void @put(ptr %st, i64 «st.skip_break», i64 %skip)
  ret void
}

define internal i1 @at_break(ptr %st) nounwind {
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %count = call i64 @get(ptr %st, i64 «st.break_count»)
  br label %head
head:
  %i = phi i64 [0, %0], [%i1, %next]
  %done = icmp uge i64 %i, %count
  br i1 %done, label %no, label %look
look:
  %o = shl i64 %i, 3
  %a = add i64 %o, «st.breaks»
  %v = call i64 @get(ptr %st, i64 %a)
  %same = icmp eq i64 %v, %pc
  br i1 %same, label %yes, label %next
next:
  %i1 = add i64 %i, 1
  br label %head
yes:
  ret i1 true
no:
  ret i1 false
}
