define internal void @remember(ptr %st, i64 %va, i64 %host, i64 %rights) nounwind {
  %watches = call i64 @get(ptr %st, i64 «st.watch_count»)
  %watched = icmp ne i64 %watches, 0
  br i1 %watched, label %out, label %fill
fill:
  %page = and i64 %va, -4096
  %hpage = and i64 %host, -4096
  %addend = sub i64 %hpage, %page
  %sh = call ptr @shared_of(ptr %st)
  %slotp = call ptr @code_slot(ptr %sh, i64 %host)
  %block = load i64, ptr %slotp
  %code = icmp ne i64 %block, 0
  %flagged = or i64 %page, «CODE_FLAG»
  %stag0 = select i1 %code, i64 %flagged, i64 %page
  %r1 = and i64 %rights, 1
  %may_load = icmp ne i64 %r1, 0
  %r2 = and i64 %rights, 2
  %may_store = icmp ne i64 %r2, 0
  %ltag = select i1 %may_load, i64 %page, i64 -1
  %stag = select i1 %may_store, i64 %stag0, i64 -1
  %view = call i64 @get(ptr %st, i64 «st.view»)
  %viewp = inttoptr i64 %view to ptr
  %n = lshr i64 %va, 12
  %i = and i64 %n, «DATA_MASK»
  %o = shl i64 %i, 5
  %e = getelementptr inbounds i8, ptr %viewp, i64 %o
  call void @put(ptr %e, i64 0, i64 %ltag)
  call void @put(ptr %e, i64 «TAG_STORE», i64 %stag)
  call void @put(ptr %e, i64 «ADDEND», i64 %addend)
  call void @own(ptr %st, ptr %e)
  br label %out
out:
  ret void
}

define internal void @clear_view(ptr %view) nounwind {
  call void @llvm.memset.p0.i64(ptr %view, i8 -1, i64 «VIEW», i1 false)
  ret void
}

define internal void @select_view(ptr %st) nounwind {
  %key = call i64 @get(ptr %st, i64 «st.view_key»)
  %views = call i64 @get(ptr %st, i64 «st.views»)
  br label %head
head:
  %i = phi i64 [0, %0], [%i1, %next]
  %done = icmp eq i64 %i, «VIEWS»
  br i1 %done, label %replace, label %look
look:
  %ko = shl i64 %i, 3
  %ka = add i64 %ko, «st.view_keys»
  %k = call i64 @get(ptr %st, i64 %ka)
  %same = icmp eq i64 %k, %key
  br i1 %same, label %found, label %next
next:
  %i1 = add i64 %i, 1
  br label %head
replace:
  %victim = call i64 @get(ptr %st, i64 «st.view_next»)
  %v1 = add i64 %victim, 1
  %v2 = urem i64 %v1, «VIEWS»
  call void @put(ptr %st, i64 «st.view_next», i64 %v2)
  %vo = shl i64 %victim, 3
  %va = add i64 %vo, «st.view_keys»
  call void @put(ptr %st, i64 %va, i64 %key)
  %vb = mul i64 %victim, «VIEW»
  %vaddr = add i64 %views, %vb
  %vp = inttoptr i64 %vaddr to ptr
  call void @clear_view(ptr %vp)
  call void @put(ptr %st, i64 «st.view», i64 %vaddr)
  ret void
found:
  %fb = mul i64 %i, «VIEW»
  %faddr = add i64 %views, %fb
  call void @put(ptr %st, i64 «st.view», i64 %faddr)
  ret void
}

; Forget every view whose key has all bits of %want.  The one in use is emptied, not given up.
define internal void @forget_views(ptr %st, i64 %want) nounwind {
  %views = call i64 @get(ptr %st, i64 «st.views»)
  br label %head
head:
  %i = phi i64 [0, %0], [%i1, %next]
  %ko = shl i64 %i, 3
  %ka = add i64 %ko, «st.view_keys»
  %k = call i64 @get(ptr %st, i64 %ka)
  %used = icmp ne i64 %k, 0
  %with = and i64 %k, %want
  %hit = icmp eq i64 %with, %want
  %do = and i1 %used, %hit
  br i1 %do, label %clear, label %next
clear:
  %b = mul i64 %i, «VIEW»
  %a = add i64 %views, %b
  %p = inttoptr i64 %a to ptr
  call void @clear_view(ptr %p)
  br label %next
next:
  %i1 = add i64 %i, 1
  %done = icmp eq i64 %i1, «VIEWS»
  br i1 %done, label %out, label %head
out:
  ret void
}

define void @forget_all(ptr %st) nounwind {
  call void @forget_views(ptr %st, i64 0)
  ret void
}

; A soft entry was filled: if by two stages, the root TLB entry that was used owns it, and takes it along when it goes.
define internal void @own(ptr %st, ptr %entry) nounwind {
  %guest = call i64 @get(ptr %st, i64 «st.in_guest»)
  %is = icmp ne i64 %guest, 0
  br i1 %is, label %list, label %out
list:
  %slot = call i64 @get(ptr %st, i64 «st.second_entry»)
  %n0 = sub i64 %slot, «ROOT_TLB»
  %n = lshr i64 %n0, 3
  %co = shl i64 %n, 3
  %ca = add i64 %co, «st.owned_count»
  %count = call i64 @get(ptr %st, i64 %ca)
  %lo = mul i64 %n, «OWNED_BYTES»
  %la = add i64 %lo, «st.owned»
  %e = ptrtoint ptr %entry to i64
  %full = icmp uge i64 %count, «OWNED»
  br i1 %full, label %many, label %head
many:
  %over = add i64 «OWNED», 1
  call void @put(ptr %st, i64 %ca, i64 %over)
  br label %out
head:
  %i = phi i64 [0, %list], [%i1, %next]
  %end = icmp eq i64 %i, %count
  br i1 %end, label %add, label %look
look:
  %io = shl i64 %i, 3
  %ia = add i64 %la, %io
  %have = call i64 @get(ptr %st, i64 %ia)
  %same = icmp eq i64 %have, %e
  br i1 %same, label %out, label %next
next:
  %i1 = add i64 %i, 1
  br label %head
add:
  %ao = shl i64 %count, 3
  %aa = add i64 %la, %ao
  call void @put(ptr %st, i64 %aa, i64 %e)
  %c1 = add i64 %count, 1
  call void @put(ptr %st, i64 %ca, i64 %c1)
  br label %out
out:
  ret void
}

; The root TLB entry at %slot goes: with it what was translated through it for guests.
define internal void @forget_owned(ptr %st, i64 %slot) nounwind {
  %n0 = sub i64 %slot, «ROOT_TLB»
  %n = lshr i64 %n0, 3
  %co = shl i64 %n, 3
  %ca = add i64 %co, «st.owned_count»
  %count = call i64 @get(ptr %st, i64 %ca)
  call void @put(ptr %st, i64 %ca, i64 0)
  %many = icmp ugt i64 %count, «OWNED»
  br i1 %many, label %all, label %some
all:
  call void @forget_views(ptr %st, i64 2)
  ret void
some:
  %lo = mul i64 %n, «OWNED_BYTES»
  %la = add i64 %lo, «st.owned»
  br label %head
head:
  %i = phi i64 [0, %some], [%i1, %one]
  %end = icmp eq i64 %i, %count
  br i1 %end, label %out, label %one
one:
  %io = shl i64 %i, 3
  %ia = add i64 %la, %io
  %e = call i64 @get(ptr %st, i64 %ia)
  %p = inttoptr i64 %e to ptr
  call void @put(ptr %p, i64 0, i64 -1)
  call void @put(ptr %p, i64 8, i64 -1)
  %i1 = add i64 %i, 1
  br label %head
out:
  ret void
}

; A TLB entry went: the pages from %vpn under %mask in the views of guest mode (%guest 1) or of root mode.
define internal void @forget_pages(ptr %st, i64 %vpn, i64 %mask, i64 %guest) nounwind {
  %views = call i64 @get(ptr %st, i64 «st.views»)
  %large = icmp ugt i64 %mask, «MANY_PAGES»
  %count0 = lshr i64 %mask, 12
  %count = add i64 %count0, 1
  %n0 = lshr i64 %vpn, 12
  br label %view
view:
  %i = phi i64 [0, %0], [%i1, %view_done]
  %ko = shl i64 %i, 3
  %ka = add i64 %ko, «st.view_keys»
  %k = call i64 @get(ptr %st, i64 %ka)
  %used = icmp ne i64 %k, 0
  %k1 = lshr i64 %k, 1
  %kg = and i64 %k1, 1
  %same = icmp eq i64 %kg, %guest
  %hit = and i1 %used, %same
  %b = mul i64 %i, «VIEW»
  %a = add i64 %views, %b
  %vp = inttoptr i64 %a to ptr
  br i1 %hit, label %some, label %view_done
some:
  br i1 %large, label %whole, label %page
whole:
  call void @clear_view(ptr %vp)
  br label %view_done
page:
  %p = phi i64 [0, %some], [%p1, %page]
  %n = add i64 %n0, %p
  %di = and i64 %n, «DATA_MASK»
  %do = shl i64 %di, 5
  %fi = and i64 %n, «FETCH_MASK»
  %fo0 = shl i64 %fi, 4
  %fo = add i64 %fo0, «FETCH_AT»
  %e = getelementptr inbounds i8, ptr %vp, i64 %do
  call void @put(ptr %e, i64 0, i64 -1)
  call void @put(ptr %e, i64 «TAG_STORE», i64 -1)
  %f = getelementptr inbounds i8, ptr %vp, i64 %fo
  call void @put(ptr %f, i64 0, i64 -1)
  %p1 = add i64 %p, 1
  %pdone = icmp uge i64 %p1, %count
  br i1 %pdone, label %view_done, label %page
view_done:
  %i1 = add i64 %i, 1
  %vdone = icmp eq i64 %i1, «VIEWS»
  br i1 %vdone, label %out, label %view
out:
  ret void
}

; A root TLB entry goes that the core's other VPs use, or one of them wrote.
define internal void @forget_at_siblings(ptr %st, i64 %slot) nounwind {
  %sh = call ptr @shared_of(ptr %st)
  %first = call i64 @get(ptr %st, i64 «st.core_first»)
  %count = call i64 @get(ptr %st, i64 «st.core_cpus»)
  %end = add i64 %first, %count
  br label %head
head:
  %i = phi i64 [%first, %0], [%i1, %next]
  %done = icmp uge i64 %i, %end
  br i1 %done, label %out, label %look
look:
  %o = shl i64 %i, 3
  %at = add i64 %o, «sh.cpus»
  %cpu = call i64 @get(ptr %sh, i64 %at)
  %p = inttoptr i64 %cpu to ptr
  %self = icmp eq ptr %p, %st
  br i1 %self, label %next, label %other
other:
  call i64 @«fn.forget_alone»(ptr %p, i64 %slot, i64 0)
  br label %next
next:
  %i1 = add i64 %i, 1
  br label %head
out:
  ret void
}
