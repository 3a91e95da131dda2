"""Memory: brk(2), mmap(2), munmap(2), mprotect(2), madvise(2)."""
from __future__ import annotations

from vmm.host.user.areas import Area, Shared
from vmm.host.user.calls.table import call, signed
from vmm.host.user.numbers import MADV_DONTNEED, CallError, Errno, Map, Prot
from vmm.host.user.start import mapping_top
from vmm.host.user.threads import Thread

RIGHTS = Prot.READ | Prot.WRITE | Prot.EXEC
OFFSET_UNIT = 4096                                          # of mmap2


def _pages(thread: Thread, start: int, size: int) -> tuple[int, int]:
    """[start, end) as whole pages."""
    page = thread.memory.page_size
    end = start + -(-size // page) * page
    if start % page or end > thread.memory.top:
        raise CallError(Errno.EINVAL)
    return start, end


@call(o32=45, n64=12)
def brk(thread: Thread, end: int) -> int:
    """The new end of the heap, or the old one if that cannot be."""
    memory = thread.memory
    page = memory.page_size
    if not memory.heap <= end < mapping_top(memory):
        return memory.brk
    old, new = -(-memory.brk // page) * page, -(-end // page) * page
    if new > old and not memory.areas.within(old, new):
        memory.map(thread.cpu, Area(old, new, Prot.READ | Prot.WRITE, name="[heap]"))
    elif new < old:
        memory.unmap(thread.cpu, new, old)
    elif new > old:
        return memory.brk
    memory.brk = end
    return end


@call(o32=90, n64=9)
def mmap(thread: Thread, hint: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
    """There are no files, so none can be mapped."""
    memory = thread.memory
    if not size or not flags & (Map.SHARED | Map.PRIVATE):
        raise CallError(Errno.EINVAL)
    if not flags & Map.ANONYMOUS:
        raise CallError(Errno.EBADF)
    if size > memory.top:
        raise CallError(Errno.ENOMEM)
    size = -(-size // memory.page_size) * memory.page_size
    if flags & (Map.FIXED | Map.FIXED_NOREPLACE):
        start, end = _pages(thread, hint, size)
        if flags & Map.FIXED_NOREPLACE and memory.areas.within(start, end):
            raise CallError(Errno.EEXIST)
    else:
        start = memory.choose(size, mapping_top(memory))
        end = start + size
    memory.map(thread.cpu, Area(start, end, Prot(prot & RIGHTS), shared=Shared() if flags & Map.SHARED else None))
    return start


@call(o32=210)
def mmap2(thread: Thread, hint: int, size: int, prot: int, flags: int, fd: int, page: int) -> int:
    return mmap(thread, hint, size, prot, flags, fd, page * OFFSET_UNIT)


@call(o32=91, n64=11)
def munmap(thread: Thread, start: int, size: int) -> int:
    if not size:
        raise CallError(Errno.EINVAL)
    thread.memory.unmap(thread.cpu, *_pages(thread, start, size))
    return 0


@call(o32=125, n64=10)
def mprotect(thread: Thread, start: int, size: int, prot: int) -> int:
    first, end = _pages(thread, start, size)
    if size:
        thread.memory.protect(thread.cpu, first, end, Prot(prot & RIGHTS))
    return 0


@call(o32=218, n64=27)
def madvise(thread: Thread, start: int, size: int, advice: int) -> int:
    """Advice is taken where it changes what a program sees."""
    first, end = _pages(thread, start, size)
    if signed(advice) == MADV_DONTNEED:
        thread.memory.discard(thread.cpu, first, end)
    return 0


@call(o32=147, n64=197)
def cacheflush(thread: Thread, start: int, size: int, which: int) -> int:
    """The caches of this machine are always coherent."""
    return 0
