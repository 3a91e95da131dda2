; The ends of a single step: an ordinary instruction, a compact branch that is not taken, one that is, a branch (its slot
; comes next), a likely branch that skipped its slot, a delay slot.
define internal void @stepped(ptr %st, i64 %pc, i64 %slot) nounwind {
  call void @put(ptr %st, i64 «st.pc», i64 %pc)
  call void @put(ptr %st, i64 «st.in_slot», i64 %slot)
  %t = call i64 @get(ptr %st, i64 «st.ticks»)
  %t1 = add i64 %t, 1
  call void @put(ptr %st, i64 «st.ticks», i64 %t1)
  ret void
}
define internal tailcc void @step_next(«ARGS») nounwind {
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %pc1 = add i64 %pc, 4
  call void @stepped(ptr %st, i64 %pc1, i64 0)
  ret void
}
define internal tailcc void @step_forbid(«ARGS») nounwind {
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %pc1 = add i64 %pc, 4
  call void @stepped(ptr %st, i64 %pc1, i64 0)
  call void @put(ptr %st, i64 «st.forbidden», i64 1)
  ret void
}
define internal tailcc void @step_jump(«ARGS») nounwind {
  %va = call i64 @get(ptr %st, i64 «st.target_va»)
  call void @stepped(ptr %st, i64 %va, i64 0)
  ret void
}
define internal tailcc void @step_annulled(«ARGS») nounwind {
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %pc1 = add i64 %pc, 8
  call void @stepped(ptr %st, i64 %pc1, i64 0)
  ret void
}
define internal tailcc void @step_branch(«ARGS») nounwind {
  %va = call i64 @get(ptr %st, i64 «st.target_va»)
  call void @put(ptr %st, i64 «st.target», i64 %va)
  %w = call i64 @get(ptr %st, i64 «st.instr»)
  call void @put(ptr %st, i64 «st.prior», i64 %w)
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %pc1 = add i64 %pc, 4
  call void @stepped(ptr %st, i64 %pc1, i64 1)
  ret void
}
define internal tailcc void @step_slot(«ARGS») nounwind {
  %va = call i64 @get(ptr %st, i64 «st.target»)
  call void @stepped(ptr %st, i64 %va, i64 0)
  ret void
}

; One instruction at pc, wherever it stands; traps and stops are left in the state.  The kind of its row, if it was tried.
define internal i64 @step_one(ptr %st, i64 %left) nounwind {
  %host = call i64 @«fn.fetch»(ptr %st)
  %trap = call i64 @get(ptr %st, i64 «st.trap»)
  %trapped = icmp ne i64 %trap, 0
  br i1 %trapped, label %out, label %run
run:
  %w = call i32 @word_at(i64 %host)
  %wz = zext i32 %w to i64
  call void @put(ptr %st, i64 «st.instr», i64 %wz)
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %page = and i64 %pc, -4096
  call void @put(ptr %st, i64 «st.page_va», i64 %page)
  %i0 = lshr i64 %pc, 2
  %i = and i64 %i0, 1023
  %scratch = call i64 @get(ptr %st, i64 «st.scratch»)
  %o = shl i64 %i, 4
  %ra = add i64 %scratch, %o
  %r = inttoptr i64 %ra to ptr
  %n1 = getelementptr inbounds i8, ptr %r, i64 16
  %n2 = getelementptr inbounds i8, ptr %r, i64 32
  store ptr @step_annulled, ptr %n2
  %view = call i64 @get(ptr %st, i64 «st.view»)
  %viewp = inttoptr i64 %view to ptr
  %slot = call i64 @get(ptr %st, i64 «st.in_slot»)
  %in_slot = icmp ne i64 %slot, 0
  br i1 %in_slot, label %second, label %first
first:
  %s = getelementptr inbounds i8, ptr %r, i64 16400
  store ptr @step_branch, ptr %s
  %line = call ptr @decode_into(ptr %st, ptr %r, i32 %w, i64 %i, i64 2)
  %kind = call i64 @get(ptr %line, i64 24)
  %before = call i64 @get(ptr %st, i64 «st.forbidden»)
  call void @put(ptr %st, i64 «st.forbidden», i64 0)
  %alone = and i64 %kind, «ALONE»
  %is_alone = icmp ne i64 %alone, 0
  %is_after = icmp ne i64 %before, 0
  %reserved = and i1 %is_alone, %is_after
  br i1 %reserved, label %refuse, label %accept
refuse:
  call void @put(ptr %st, i64 «st.trap», i64 «RI»)
  ret i64 0
accept:
  %fb = and i64 %kind, «FORBIDS»
  %forbids = icmp ne i64 %fb, 0
  %next = select i1 %forbids, ptr @step_forbid, ptr @step_next
  store ptr %next, ptr %n1
  %cb = and i64 %kind, «COMPACT»
  %compact = icmp ne i64 %cb, 0
  %b = add i64 %left, %i
  %arr = call i64 @get(ptr %st, i64 «st.arrive»)
  %arrp = inttoptr i64 %arr to ptr
  %h = load ptr, ptr %r
  %jump = call i64 @get(ptr %st, i64 «st.stop_jump»)
  %end1 = select i1 %compact, i64 %jump, i64 %arr
  call void @put(ptr %st, i64 «st.arrive», i64 %end1)
  call tailcc void %h(ptr %st, ptr %r, i64 %b, ptr %arrp, ptr %viewp)
  call void @put(ptr %st, i64 «st.arrive», i64 %arr)
  br label %out
second:
  %q = getelementptr inbounds i8, ptr %r, i64 «SLOT»
  %line2 = call ptr @decode_into(ptr %st, ptr %q, i32 %w, i64 %i, i64 1)
  %kind2 = call i64 @get(ptr %line2, i64 24)
  %b1 = sub i64 %left, 1
  %end = call i64 @get(ptr %st, i64 «st.stop_target»)
  %endp = inttoptr i64 %end to ptr
  %hs = load ptr, ptr %q
  call tailcc void %hs(ptr %st, ptr %q, i64 %b1, ptr %endp, ptr %viewp)
  br label %out
out:
  %tried = phi i64 [0, %0], [%kind, %accept], [%kind2, %second]
  ret i64 %tried
}
