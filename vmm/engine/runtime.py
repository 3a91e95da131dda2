"""What the handlers stand on, as LLVM text: soft TLB, decoded blocks, single steps, and the loop of ``run``.

The *shared* struct belongs to all CPUs of a machine: the pool of blocks, which page of memory has which block, and the
table from rows to handlers.  A *view* is a soft TLB for one address space and privilege: 2048 entries for data (load tag,
store tag, addend to the host address) and 256 for code (tag, block); an entry of all ones matches nothing.
"""
from __future__ import annotations

from vmm.arch.exceptions import ExcCode
from vmm.arch.state import OFFSET, OWNED_CAPACITY
from vmm.arch.stops import Stop
from vmm.engine.handlers import (
    ADDEND,
    ALONE,
    ARGUMENTS,
    BLOCK,
    CODE_FLAG,
    COMPACT,
    DATA_ENTRIES,
    FETCH_AT,
    FETCH_ENTRIES,
    FORBIDS,
    HORIZON,
    PASS,
    SLOT_DISTANCE,
    TAG_STORE,
    VIEW,
    VIEWS,
)
from vmm.engine.hostfp import declarations

SHARED = ("pool", "pool_used", "pool_blocks", "memory", "memory_end", "block_of_page", "page_of_block", "template",
          "rows", "decoder", "cpu_count", "cpus")
"""The shared struct: 64-bit slots, ``cpus`` the first of 64."""
SHARED_SLOTS = len(SHARED) + 63


def runtime(big_endian: bool, names: dict[str, str]) -> str:
    """The text; ``names`` gives the LLVM names of the compiled functions look_around, deliver and fetch."""
    parts = [DECLARATIONS, declarations(), _memory(big_endian), SOFT_TLB, BLOCKS, _decode(big_endian), WHERE, TRANSFERS,
             STEPS, RUN]
    text = "\n".join(parts)
    for key, value in _constants(names).items():
        text = text.replace(f"«{key}»", value)
    assert "«" not in text, text[text.index("«"):][:80]
    return text


def _constants(names: dict[str, str]) -> dict[str, str]:
    constants = {f"st.{name}": str(8 * at) for name, at in OFFSET.items()}
    constants |= {f"sh.{name}": str(8 * n) for n, name in enumerate(SHARED)}
    constants |= {f"stop.{stop.name}": str(int(stop)) for stop in Stop}
    constants |= {"COMPACT": str(COMPACT), "FORBIDS": str(FORBIDS), "ALONE": str(ALONE), "RI": str(int(ExcCode.RI) + 1)}
    constants |= {f"fn.{key}": value for key, value in names.items()}
    constants |= {
        "ARGS": ARGUMENTS, "PASS": PASS, "BLOCK": str(BLOCK), "SLOT": str(SLOT_DISTANCE), "HORIZON": str(HORIZON),
        "VIEW": str(VIEW), "VIEWS": str(VIEWS), "FETCH_AT": str(FETCH_AT), "FETCH_MASK": str(FETCH_ENTRIES - 1),
        "DATA_MASK": str(DATA_ENTRIES - 1), "TAG_STORE": str(TAG_STORE), "ADDEND": str(ADDEND),
        "OWNED": str(OWNED_CAPACITY), "OWNED_BYTES": str(8 * OWNED_CAPACITY), "ROOT_TLB": str(OFFSET["root_tlb"]),
        "CODE_FLAG": str(CODE_FLAG), "BLOCK_MASK": str(BLOCK - 1),
    }
    return constants


DECLARATIONS = """
declare i64 @llvm.ctlz.i64(i64, i1)
declare i16 @llvm.bswap.i16(i16)
declare i32 @llvm.bswap.i32(i32)
declare i64 @llvm.bswap.i64(i64)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
!0 = !{!"branch_weights", i32 2000, i32 1}

define internal i64 @get(ptr %base, i64 %at) alwaysinline nounwind {
  %p = getelementptr inbounds i8, ptr %base, i64 %at
  %v = load i64, ptr %p
  ret i64 %v
}
define internal void @put(ptr %base, i64 %at, i64 %v) alwaysinline nounwind {
  %p = getelementptr inbounds i8, ptr %base, i64 %at
  store i64 %v, ptr %p
  ret void
}
define internal ptr @shared_of(ptr %st) alwaysinline nounwind {
  %a = call i64 @get(ptr %st, i64 «st.shared»)
  %p = inttoptr i64 %a to ptr
  ret ptr %p
}
"""


def _memory(big_endian: bool) -> str:
    """peek and poke: host memory in the machine's byte order, sizes 1, 2, 4, 8."""
    def swap(bits: int, value: str) -> tuple[str, str]:
        if not big_endian or bits == 8:
            return "", value
        return f"  %s{bits} = call i{bits} @llvm.bswap.i{bits}(i{bits} {value})\n", f"%s{bits}"

    loads, stores = [], []
    for size in (1, 2, 4, 8):
        bits = size * 8
        code, value = swap(bits, f"%l{bits}")
        wide = f"  %z{bits} = zext i{bits} {value} to i64\n  ret i64 %z{bits}\n" if bits < 64 else f"  ret i64 {value}\n"
        loads.append(f"b{size}:\n  %l{bits} = load i{bits}, ptr %p, align 1\n{code}{wide}")
        cut = f"  %t{bits} = trunc i64 %v to i{bits}\n" if bits < 64 else ""
        code, value = swap(bits, f"%t{bits}" if bits < 64 else "%v")
        stores.append(f"b{size}:\n{cut}{code}  store i{bits} {value}, ptr %p, align 1\n  ret void\n")
    cases = "switch i64 %size, label %b8 [i64 1, label %b1 i64 2, label %b2 i64 4, label %b4]"
    head = f"nounwind {{\n  %p = inttoptr i64 %host to ptr\n  {cases}\n"
    return (f"define internal i64 @peek(i64 %host, i64 %size) {head}{''.join(loads)}}}\n"
            f"define internal void @poke(i64 %host, i64 %size, i64 %v) {head}{''.join(stores)}}}\n")


SOFT_TLB = """
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

; A TLB entry went: the pages from %vpn under %mask in every view.
define internal void @forget_pages(ptr %st, i64 %vpn, i64 %mask) nounwind {
  %views = call i64 @get(ptr %st, i64 «st.views»)
  %large = icmp ugt i64 %mask, 65535
  br i1 %large, label %everything, label %pages
everything:
  call void @forget_views(ptr %st, i64 0)
  ret void
pages:
  %count0 = lshr i64 %mask, 12
  %count = add i64 %count0, 1
  %n0 = lshr i64 %vpn, 12
  br label %page
page:
  %p = phi i64 [0, %pages], [%p1, %page_done]
  %n = add i64 %n0, %p
  %di = and i64 %n, «DATA_MASK»
  %do = shl i64 %di, 5
  %fi = and i64 %n, «FETCH_MASK»
  %fo0 = shl i64 %fi, 4
  %fo = add i64 %fo0, «FETCH_AT»
  br label %view
view:
  %i = phi i64 [0, %page], [%i1, %view]
  %b = mul i64 %i, «VIEW»
  %a = add i64 %views, %b
  %vp = inttoptr i64 %a to ptr
  %e = getelementptr inbounds i8, ptr %vp, i64 %do
  call void @put(ptr %e, i64 0, i64 -1)
  call void @put(ptr %e, i64 «TAG_STORE», i64 -1)
  %f = getelementptr inbounds i8, ptr %vp, i64 %fo
  call void @put(ptr %f, i64 0, i64 -1)
  %i1 = add i64 %i, 1
  %vdone = icmp eq i64 %i1, «VIEWS»
  br i1 %vdone, label %page_done, label %view
page_done:
  %p1 = add i64 %p, 1
  %pdone = icmp uge i64 %p1, %count
  br i1 %pdone, label %out, label %page
out:
  ret void
}
"""

BLOCKS = """
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
"""


def _decode(big_endian: bool) -> str:
    swap = "call i32 @llvm.bswap.i32(i32 %raw)" if big_endian else "add i32 %raw, 0"
    return DECODE.replace("«SWAP»", swap)


DECODE = """
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
"""

WHERE = """
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
"""

TRANSFERS = """
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
  call void @put(ptr %st, i64 «st.skip_break», i64 1)
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
  %skip = select i1 %hit, i64 0, i64 1
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
"""

STEPS = """
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

; One instruction at pc, wherever it stands; traps and stops are left in the state.
define internal void @step_one(ptr %st, i64 %left) nounwind {
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
  ret void
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
  call ptr @decode_into(ptr %st, ptr %q, i32 %w, i64 %i, i64 1)
  %b1 = sub i64 %left, 1
  %end = call i64 @get(ptr %st, i64 «st.stop_target»)
  %endp = inttoptr i64 %end to ptr
  %hs = load ptr, ptr %q
  call tailcc void %hs(ptr %st, ptr %q, i64 %b1, ptr %endp, ptr %viewp)
  br label %out
out:
  ret void
}
"""

RUN = """
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
  %hit = call i1 @at_break(ptr %st)
  br i1 %hit, label %broke, label %one_go
broke:
  call void @put(ptr %st, i64 «st.stop», i64 «stop.BREAK»)
  br label %out
one_go:
  call void @step_one(ptr %st, i64 %left)
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
  br i1 %stepping2, label %step_done, label %around
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
"""
