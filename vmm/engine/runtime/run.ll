define internal i64 @smaller(i64 %a, i64 %b) alwaysinline nounwind {
  %c = icmp ult i64 %a, %b
  %m = select i1 %c, i64 %a, i64 %b
  ret i64 %m
}

; Run until something needs Python; the reason, which is also in state.stop.
define i64 @run(ptr %st) nounwind {
  %host = call i32 @begin_fp()
  %why = call i64 @run_loop(ptr %st)
  call void @settle_fp(ptr %st)
  call void @end_fp(i32 %host)
  ret i64 %why
}

define internal i64 @run_loop(ptr %st) nounwind {
  call void @put(ptr %st, i64 «st.stop», i64 0)
  br label %around
around:
  %trap0 = call i64 @get(ptr %st, i64 «st.trap»)
  %trapped0 = icmp ne i64 %trap0, 0
  br i1 %trapped0, label %deliver, label %look
deliver:
  call i64 @«fn.deliver»(ptr %st)
  %step0 = call i64 @get(ptr %st, i64 «st.step»)
  %stepping0 = icmp ne i64 %step0, 0
  br i1 %stepping0, label %step_done, label %look_after
look_after:
  call void @put(ptr %st, i64 «st.skip_break», i64 0)
  br label %look
look:
  %stop1 = call i64 @get(ptr %st, i64 «st.stop»)
  %stopped1 = icmp ne i64 %stop1, 0
  br i1 %stopped1, label %out, label %events
events:
  call i64 @«fn.look_around»(ptr %st)
  %trap1 = call i64 @get(ptr %st, i64 «st.trap»)
  %trapped1 = icmp ne i64 %trap1, 0
  br i1 %trapped1, label %deliver, label %time
time:
  %ticks = call i64 @get(ptr %st, i64 «st.ticks»)
  %until = call i64 @get(ptr %st, i64 «st.until»)
  %over = icmp uge i64 %ticks, %until
  br i1 %over, label %budget, label %more
budget:
  call void @put(ptr %st, i64 «st.stop», i64 «stop.BUDGET»)
  br label %out
more:
  %at0 = call i64 @get(ptr %st, i64 «st.compare_at»)
  %at1p = add i64 «st.compare_at», 8
  %at1 = call i64 @get(ptr %st, i64 %at1p)
  %d0 = call i64 @smaller(i64 %until, i64 %at0)
  %d1 = call i64 @smaller(i64 %d0, i64 %at1)
  %at2 = call i64 @get(ptr %st, i64 «st.perf_at»)
  %deadline = call i64 @smaller(i64 %d1, i64 %at2)
  call void @put(ptr %st, i64 «st.deadline», i64 %deadline)
  %halted = call i64 @get(ptr %st, i64 «st.halted»)
  %waits = icmp ne i64 %halted, 0
  br i1 %waits, label %wait, label %awake
wait:
  %step1 = call i64 @get(ptr %st, i64 «st.step»)
  %stepping1 = icmp ne i64 %step1, 0
  br i1 %stepping1, label %step_done, label %skip
skip:
  %gap = sub i64 %deadline, %ticks
  %idle = call i64 @get(ptr %st, i64 «st.idle_ticks»)
  %idle1 = add i64 %idle, %gap
  call void @put(ptr %st, i64 «st.idle_ticks», i64 %idle1)
  call void @put(ptr %st, i64 «st.ticks», i64 %deadline)
  br label %around
awake:
  call void @select_view(ptr %st)
  %left = sub i64 %deadline, %ticks
  %slot = call i64 @get(ptr %st, i64 «st.in_slot»)
  %step = call i64 @get(ptr %st, i64 «st.step»)
  %skipb = call i64 @get(ptr %st, i64 «st.skip_break»)
  %near = icmp slt i64 %left, «HORIZON»
  %nearz = zext i1 %near to i64
  %c0 = or i64 %slot, %step
  %c1 = or i64 %skipb, %nearz
  %answered = call i64 @get(ptr %st, i64 «st.io_ready»)
  %forbidden = call i64 @get(ptr %st, i64 «st.forbidden»)
  %c2 = or i64 %c0, %c1
  %c3 = or i64 %answered, %forbidden
  %c = or i64 %c2, %c3
  %careful = icmp ne i64 %c, 0
  br i1 %careful, label %one, label %fast
one:
  %pass = icmp ne i64 %skipb, 0
  br i1 %pass, label %one_go, label %one_check
one_check:
  %left_here = phi i64 [%left, %one], [%left_then, %quick]
  %hit = call i1 @at_break(ptr %st)
  br i1 %hit, label %broke, label %one_go
broke:
  call void @put(ptr %st, i64 «st.stop», i64 «stop.BREAK»)
  br label %out
one_go:
  %left_now = phi i64 [%left, %one], [%left_here, %one_check], [%left, %watched]
  %kind = call i64 @step_one(ptr %st, i64 %left_now)
  %stop2 = call i64 @get(ptr %st, i64 «st.stop»)
  %stopped2 = icmp ne i64 %stop2, 0
  br i1 %stopped2, label %out, label %one_done
one_done:
  call void @put(ptr %st, i64 «st.skip_break», i64 0)
  %trap2 = call i64 @get(ptr %st, i64 «st.trap»)
  %trapped2 = icmp ne i64 %trap2, 0
  br i1 %trapped2, label %deliver, label %one_end
one_end:
  %step2 = call i64 @get(ptr %st, i64 «st.step»)
  %stepping2 = icmp ne i64 %step2, 0
  br i1 %stepping2, label %step_done, label %quick
; Near the deadline, instructions that cannot change what comes next follow each other without a look around.
quick:
  %ticks_then = call i64 @get(ptr %st, i64 «st.ticks»)
  %left_then = sub i64 %deadline, %ticks_then
  %some = icmp sgt i64 %left_then, 0
  %system = and i64 %kind, «SYSTEM»
  %special = or i64 %system, %answered
  %ordinary = icmp eq i64 %special, 0
  %follows0 = and i1 %near, %ordinary
  %follows = and i1 %follows0, %some
  br i1 %follows, label %one_check, label %around
step_done:
  call void @put(ptr %st, i64 «st.skip_break», i64 0)
  call void @put(ptr %st, i64 «st.stop», i64 «stop.STEP»)
  br label %out
fast:
  %pc = call i64 @get(ptr %st, i64 «st.pc»)
  %view = call i64 @get(ptr %st, i64 «st.view»)
  %viewp = inttoptr i64 %view to ptr
  %n = lshr i64 %pc, 12
  %i = and i64 %n, «FETCH_MASK»
  %o0 = shl i64 %i, 4
  %o = add i64 %o0, «FETCH_AT»
  %e = getelementptr inbounds i8, ptr %viewp, i64 %o
  %tag = call i64 @get(ptr %e, i64 0)
  %want = and i64 %pc, -4093
  %known = icmp eq i64 %tag, %want
  br i1 %known, label %go, label %find
find:
  %host = call i64 @«fn.fetch»(ptr %st)
  %trap3 = call i64 @get(ptr %st, i64 «st.trap»)
  %trapped3 = icmp ne i64 %trap3, 0
  br i1 %trapped3, label %deliver, label %watched
watched:
  %careful1 = call i64 @get(ptr %st, i64 «st.careful»)
  %slowly = icmp ne i64 %careful1, 0
  br i1 %slowly, label %one_go, label %found
found:
  %new = call i64 @block_for(ptr %st, i64 %host)
  %vpage = and i64 %pc, -4096
  call void @put(ptr %e, i64 0, i64 %vpage)
  call void @put(ptr %e, i64 8, i64 %new)
  call void @own(ptr %st, ptr %e)
  br label %go
go:
  %block = call i64 @get(ptr %e, i64 8)
  %page = and i64 %pc, -4096
  call void @put(ptr %st, i64 «st.page_va», i64 %page)
  %w0 = and i64 %pc, 4092
  %idx = lshr i64 %w0, 2
  %b = add i64 %left, %idx
  %ro = shl i64 %idx, 4
  %ra = add i64 %block, %ro
  %r = inttoptr i64 %ra to ptr
  %arr = call i64 @get(ptr %st, i64 «st.arrive»)
  %arrp = inttoptr i64 %arr to ptr
  %h = load ptr, ptr %r
  call tailcc void %h(ptr %st, ptr %r, i64 %b, ptr %arrp, ptr %viewp)
  br label %around
out:
  %why = call i64 @get(ptr %st, i64 «st.stop»)
  ret i64 %why
}
