; pc, ticks and slot as they are before the instruction of this record.
define internal void @synchronise_main(ptr %st, ptr %rec, i64 %b, ptr %tgt) nounwind {
  %i = call i64 @index_of(ptr %rec)
  %page = call i64 @get(ptr %st, i64 «st.page_va»)
  %off = shl i64 %i, 2
  %pc = add i64 %page, %off
  call void @put(ptr %st, i64 «st.pc», i64 %pc)
  call void @put(ptr %st, i64 «st.in_slot», i64 0)
  %left = sub i64 %b, %i
  call void @note_left(ptr %st, i64 %left)
  call void @note_word(ptr %st, ptr %rec)
  ret void
}

define internal void @note_left(ptr %st, i64 %left) alwaysinline nounwind {
  %deadline = call i64 @get(ptr %st, i64 «st.deadline»)
  %ticks = sub i64 %deadline, %left
  call void @put(ptr %st, i64 «st.ticks», i64 %ticks)
  ret void
}

define internal void @note_word(ptr %st, ptr %rec) alwaysinline nounwind {
  %p = getelementptr inbounds i8, ptr %rec, i64 12
  %w32 = load i32, ptr %p
  %w = zext i32 %w32 to i64
  call void @put(ptr %st, i64 «st.instr», i64 %w)
  ret void
}

define internal void @synchronise_slot(ptr %st, ptr %rec, i64 %b, ptr %tgt) nounwind {
  %i = call i64 @index_of(ptr %rec)
  %page = call i64 @get(ptr %st, i64 «st.page_va»)
  %off = shl i64 %i, 2
  %pc = add i64 %page, %off
  call void @put(ptr %st, i64 «st.pc», i64 %pc)
  call void @put(ptr %st, i64 «st.in_slot», i64 1)
  %j = call i64 @index_of(ptr %tgt)
  %ta = ptrtoint ptr %tgt to i64
  ; the record behind the last word of the page has index 0 and stands for 1024
  %tb = and i64 %ta, 16384
  %behind = lshr i64 %tb, 4
  %j1 = add i64 %j, %behind
  %after = sub i64 %b, %j1
  %left = add i64 %after, 1
  call void @note_left(ptr %st, i64 %left)
  call void @note_word(ptr %st, ptr %rec)
  %arrive = call i64 @get(ptr %st, i64 «st.arrive»)
  %stop = call i64 @get(ptr %st, i64 «st.stop_target»)
  %stepped = icmp eq i64 %ta, %stop
  br i1 %stepped, label %out, label %running
running:
  %bp = getelementptr inbounds i8, ptr %rec, i64 -16388
  %branch32 = load i32, ptr %bp
  %branch = zext i32 %branch32 to i64
  call void @put(ptr %st, i64 «st.prior», i64 %branch)
  %away = icmp eq i64 %ta, %arrive
  %far = call i64 @get(ptr %st, i64 «st.target_va»)
  %jo = shl i64 %j1, 2
  %near = add i64 %page, %jo
  %target = select i1 %away, i64 %far, i64 %near
  call void @put(ptr %st, i64 «st.target», i64 %target)
  br label %out
out:
  ret void
}
