"""Physical pages of the host and the addresses under which its kernel sees them.  (MIPS address map: mips.md 4.1)

Invariant: a page is either free or owned by exactly one caller; allocation order depends on nothing but the order
of the calls.  Kernel pages come from below 512 MiB, where kseg0 reaches them (EN-2); guest memory comes from the top.
"""
from __future__ import annotations

from heapq import heappop, heappush

from vmm.errors import ConfigError
from vmm.host.kernel.cpu import Ram

CKSEG0 = 0xFFFFFFFF_80000000
XKPHYS_CACHED = 0x98000000_00000000
KSEG0_REACH = 0x2000_0000
PAGE_SHIFTS = (12, 14, 16)


class NoMemory(ConfigError):
    """All pages are in use; whoever allocated for a program tells that, else it is the user's to give more."""


def kernel_address(pa: int) -> int:
    """The cached unmapped address of a physical one: kseg0 where it reaches, else xkphys (64-bit hosts)."""
    return CKSEG0 + pa if pa < KSEG0_REACH else XKPHYS_CACHED | pa


def physical_address(address: int) -> int:
    """The reverse of ``kernel_address``; also takes the 32-bit form of a kseg0 address."""
    if address >> 32 in (0, 0xFFFFFFFF) and address & 0xE000_0000 == 0x8000_0000:
        return address & 0x1FFF_FFFF
    if address & XKPHYS_CACHED == XKPHYS_CACHED and address >> 61 == 0b100:
        return address & 0x07FF_FFFF_FFFF_FFFF
    raise ValueError(f"{address:#x} is no unmapped kernel address; use one in kseg0 or xkphys")


class PageAllocator:
    """Pages of one size over simulated RAM."""

    def __init__(self, ram: Ram, size: int, page_shift: int, reserved: int = 0) -> None:
        """``reserved``: bytes from address 0 that are nobody's (the host's exception vectors)."""
        if page_shift not in PAGE_SHIFTS:
            raise ConfigError(f"host page size 2^{page_shift}: the host kernel has pages of 4 (12), 16 (14) or 64 KiB (16)")
        self.ram = ram
        self.page_shift = page_shift
        self.page_size = 1 << page_shift
        self._next = -(-reserved // self.page_size) * self.page_size
        self._top = size & -self.page_size
        self._freed: list[int] = []
        self._is_free: set[int] = set()                     # the same pages, to be found at once
        self.in_use = 0

    def alloc(self, pages: int = 1) -> int:
        """Zeroed kernel pages, contiguous; their physical address."""
        size = pages * self.page_size
        if pages == 1 and self._freed:
            address = heappop(self._freed)
            self._is_free.remove(address)
        else:
            address = self._next
            if address + size > min(self._top, KSEG0_REACH):
                raise NoMemory(f"host memory: {size} bytes asked, {max(0, self._top - address)} left; give the host "
                               "more RAM than its guests have")
            self._next += size
        self.ram.write(address, bytes(size))
        self.in_use += pages
        return address

    def free(self, address: int, pages: int = 1) -> None:
        for page in range(address, address + pages * self.page_size, self.page_size):
            if page in self._is_free or page >= self._next:
                raise ValueError(f"page {page:#x} freed but not in use")
            heappush(self._freed, page)
            self._is_free.add(page)
        self.in_use -= pages

    def alloc_block(self, size: int, align: int | None = None) -> int:
        """Contiguous memory for a guest, from the top; not zeroed (RAM starts as zeros) and never freed."""
        start = (self._top - size) & -(align or self.page_size)
        if start < self._next:
            raise ConfigError(f"guest memory: {size} bytes asked, {self._top - self._next} left in the host; make the "
                              "host bigger or the guest smaller")
        self._top = start
        return start
