; Where the block of the page that holds a host address is noted.
define internal ptr @code_slot(ptr %sh, i64 %host) nounwind {
  %base = call i64 @get(ptr %sh, i64 «sh.memory»)
  %off = sub i64 %host, %base
  %n = lshr i64 %off, 12
  %o = shl i64 %n, 3
  %map = call i64 @get(ptr %sh, i64 «sh.block_of_page»)
  %a = add i64 %map, %o
  %p = inttoptr i64 %a to ptr
  ret ptr %p
}

; The block of the page that holds %host, made if there is none.  Stores to the page are watched from then on.
define internal i64 @block_for(ptr %st, i64 %host) nounwind {
  %sh = call ptr @shared_of(ptr %st)
  %slot = call ptr @code_slot(ptr %sh, i64 %host)
  %have = load i64, ptr %slot
  %is = icmp ne i64 %have, 0
  br i1 %is, label %old, label %new
old:
  ret i64 %have
new:
  %used = call i64 @get(ptr %sh, i64 «sh.pool_used»)
  %limit = call i64 @get(ptr %sh, i64 «sh.pool_blocks»)
  %full = icmp uge i64 %used, %limit
  br i1 %full, label %reset, label %take
reset:
  call void @drop_blocks(ptr %sh)
  br label %take
take:
  %n = call i64 @get(ptr %sh, i64 «sh.pool_used»)
  %n1 = add i64 %n, 1
  call void @put(ptr %sh, i64 «sh.pool_used», i64 %n1)
  %pool = call i64 @get(ptr %sh, i64 «sh.pool»)
  %o = mul i64 %n, «BLOCK»
  %block = add i64 %pool, %o
  %bp = inttoptr i64 %block to ptr
  %tmpl = call i64 @get(ptr %sh, i64 «sh.template»)
  %tp = inttoptr i64 %tmpl to ptr
  call void @llvm.memcpy.p0.p0.i64(ptr %bp, ptr %tp, i64 «BLOCK», i1 false)
  store i64 %block, ptr %slot
  %pages = call i64 @get(ptr %sh, i64 «sh.page_of_block»)
  %po = shl i64 %n, 3
  %pa = add i64 %pages, %po
  %pp = inttoptr i64 %pa to ptr
  %page = and i64 %host, -4096
  store i64 %page, ptr %pp
  call void @guard_page(ptr %sh, i64 %page)
  ret i64 %block
}

; Flag the store tags of a page in every view of every CPU.
define internal void @guard_page(ptr %sh, i64 %page) nounwind {
  %cpus = call i64 @get(ptr %sh, i64 «sh.cpu_count»)
  br label %cpu
cpu:
  %c = phi i64 [0, %0], [%c1, %cpu_done]
  %cd = icmp eq i64 %c, %cpus
  br i1 %cd, label %out, label %one
one:
  %co = shl i64 %c, 3
  %ca = add i64 %co, «sh.cpus»
  %sta = call i64 @get(ptr %sh, i64 %ca)
  %st = inttoptr i64 %sta to ptr
  %views = call i64 @get(ptr %st, i64 «st.views»)
  br label %view
view:
  %v = phi i64 [0, %one], [%v1, %view_done]
  %vo = shl i64 %v, 3
  %vka = add i64 %vo, «st.view_keys»
  %vk = call i64 @get(ptr %st, i64 %vka)
  %used = icmp ne i64 %vk, 0
  %vb = mul i64 %v, «VIEW»
  %va = add i64 %views, %vb
  br i1 %used, label %entry, label %view_done
entry:
  %i = phi i64 [0, %view], [%i1, %entry_next]
  %eo = shl i64 %i, 5
  %ea = add i64 %va, %eo
  %e = inttoptr i64 %ea to ptr
  %tag = call i64 @get(ptr %e, i64 «TAG_STORE»)
  %add = call i64 @get(ptr %e, i64 «ADDEND»)
  %host = add i64 %tag, %add
  %same = icmp eq i64 %host, %page
  br i1 %same, label %flag, label %entry_next
flag:
  %ftag = or i64 %tag, «CODE_FLAG»
  call void @put(ptr %e, i64 «TAG_STORE», i64 %ftag)
  br label %entry_next
entry_next:
  %i1 = add i64 %i, 1
  %idone = icmp ugt i64 %i1, «DATA_MASK»
  br i1 %idone, label %view_done, label %entry
view_done:
  %v1 = add i64 %v, 1
  %vdone = icmp eq i64 %v1, «VIEWS»
  br i1 %vdone, label %cpu_done, label %view
cpu_done:
  %c1 = add i64 %c, 1
  br label %cpu
out:
  ret void
}

; Forget all decoded code.
define void @drop_blocks(ptr %sh) nounwind {
  %used = call i64 @get(ptr %sh, i64 «sh.pool_used»)
  %pages = call i64 @get(ptr %sh, i64 «sh.page_of_block»)
  br label %head
head:
  %i = phi i64 [0, %0], [%i1, %one]
  %done = icmp eq i64 %i, %used
  br i1 %done, label %views, label %one
one:
  %o = shl i64 %i, 3
  %a = add i64 %pages, %o
  %p = inttoptr i64 %a to ptr
  %page = load i64, ptr %p
  %slot = call ptr @code_slot(ptr %sh, i64 %page)
  store i64 0, ptr %slot
  %i1 = add i64 %i, 1
  br label %head
views:
  call void @put(ptr %sh, i64 «sh.pool_used», i64 0)
  %cpus = call i64 @get(ptr %sh, i64 «sh.cpu_count»)
  br label %cpu
cpu:
  %c = phi i64 [0, %views], [%c1, %each]
  %cd = icmp eq i64 %c, %cpus
  br i1 %cd, label %out, label %each
each:
  %co = shl i64 %c, 3
  %ca = add i64 %co, «sh.cpus»
  %sta = call i64 @get(ptr %sh, i64 %ca)
  %st = inttoptr i64 %sta to ptr
  call void @forget_views(ptr %st, i64 0)
  %c1 = add i64 %c, 1
  br label %cpu
out:
  ret void
}

; Memory at %host changed: what was decoded from those words is decoded again when it is next reached.
define void @code_changed(ptr %st, i64 %host, i64 %size) nounwind {
  %sh = call ptr @shared_of(ptr %st)
  %slot = call ptr @code_slot(ptr %sh, i64 %host)
  %block = load i64, ptr %slot
  %none = icmp eq i64 %block, 0
  br i1 %none, label %out, label %words
words:
  %last0 = add i64 %host, %size
  %last = sub i64 %last0, 1
  ; one word earlier too: how a compact branch was decoded depends on the word after it
  %inside = and i64 %host, 4092
  %first_word = icmp eq i64 %inside, 0
  %before = select i1 %first_word, i64 0, i64 4
  %from = sub i64 %host, %before
  %w0 = lshr i64 %from, 2
  %w1 = lshr i64 %last, 2
  br label %word
word:
  %w = phi i64 [%w0, %words], [%wn, %word]
  %i = and i64 %w, 1023
  %o = shl i64 %i, 4
  %a = add i64 %block, %o
  %p = inttoptr i64 %a to ptr
  store ptr @undecoded_main, ptr %p
  %none_slot = icmp eq i64 %i, 0
  %so = select i1 %none_slot, i64 0, i64 «SLOT»
  %q = getelementptr inbounds i8, ptr %p, i64 %so
  %what = select i1 %none_slot, ptr @undecoded_main, ptr @undecoded_slot
  store ptr %what, ptr %q
  %wn = add i64 %w, 1
  %more = icmp ule i64 %wn, %w1
  br i1 %more, label %word, label %out
out:
  ret void
}
