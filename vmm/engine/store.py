"""Where a machine's memory and a CPU's state live: host memory that both engines and Python see."""
from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable

from vmm.arch.state import COUNT, OFFSET, REGION_CAPACITY, REGION_SLOTS, RegionSlot
from vmm.errors import ConfigError

PAGE = 4096
REMAP_MAY_MOVE, REMAP_FIXED = 1, 2
"""Of mremap(2); with an old size of 0 it makes a second mapping of shared memory."""


class Block:
    """Zeroed host memory, page-aligned (or more), that lives as long as this object."""

    def __init__(self, size: int, align: int = PAGE) -> None:
        try:
            self._map = mmap.mmap(-1, size + align)
        except (OSError, ValueError, OverflowError) as error:
            raise ConfigError(f"{size:,} bytes of memory are needed and the host gives none: {error}") from None
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        skip = -start % align
        self.address = start + skip
        self.size = size
        self.bytes = memoryview(self._map)[skip:skip + size]
        self.words = self.bytes[:size & ~7].cast("Q")


def same_memory(source: Block, target: Block, at: int, size: int) -> None:
    """Let ``size`` bytes from ``at`` of both be one memory from now on, that of ``source``; whole pages of the host."""
    assert not (at | size) % PAGE, "parts of pages cannot be shared"
    try:
        remap = ctypes.CDLL(None, use_errno=True).mremap
    except AttributeError:
        raise ConfigError("cores of several VPs need a host with mremap, as Linux has: use one CPU") from None
    remap.restype, remap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int,
                                                      ctypes.c_void_p]
    wanted = target.address + at
    if remap(source.address + at, 0, size, REMAP_MAY_MOVE | REMAP_FIXED, wanted) != wanted:
        raise ConfigError(f"memory for an FTLB that VPs share: the host says {os.strerror(ctypes.get_errno())}")


class State:
    """A CPU's state: a slot by name, ``state.ticks``; the first of an array for a slot that is one."""

    def __init__(self) -> None:
        block = Block(OFFSET["size"] * 8)
        object.__setattr__(self, "block", block)
        object.__setattr__(self, "words", block.words)
        object.__setattr__(self, "address", block.address)

    block: Block
    words: memoryview
    address: int

    def __getattr__(self, name: str) -> int:
        try:
            return self.words[OFFSET[name]]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: int) -> None:
        self.words[OFFSET[name]] = value & (1 << 64) - 1

    def array(self, name: str) -> memoryview:
        """All of a slot that is an array."""
        start = OFFSET[name]
        return self.words[start:start + COUNT[name]]


class Links:
    """The links of LL that a machine's CPUs hold.  A CPU that runs may store where others hold one, so theirs end and
    their SC fails: only the CPU that ran last, ``holder``, can have a link.  (mips.md 6, LL/SC)
    """

    def __init__(self) -> None:
        self.holder: State | None = None

    def pass_to(self, running: State, states: Iterable[State]) -> None:
        """``running`` is about to run; ``states`` are all CPUs', for the first time, when anyone may hold a link."""
        for state in states if self.holder is None else (self.holder,):
            if state is not running:
                state.llbit = 0
        self.holder = running


class Memory:
    """The memory of a machine: RAM and ROM in one piece of host memory, and where they appear physically."""

    def __init__(self, size: int) -> None:
        self.block = Block(-(-size // PAGE) * PAGE)
        self.size = size
        self.regions: list[tuple[int, int, int, bool]] = []

    def map(self, physical: int, size: int, offset: int, *, read_only: bool = False) -> None:
        """Let ``size`` bytes from ``offset`` appear at ``physical``; everything page-aligned."""
        if (physical | size | offset) % PAGE or offset + size > self.block.size:
            raise ValueError(f"memory {physical:#x}+{size:#x} at {offset:#x}: not aligned, or outside")
        if len(self.regions) == REGION_CAPACITY:
            raise ValueError(f"more than {REGION_CAPACITY} pieces of memory")
        self.regions.append((physical, size, offset, read_only))

    def show(self, state: State) -> None:
        """Tell a CPU where memory is."""
        slots = state.array("regions")
        for n, (physical, size, offset, read_only) in enumerate(self.regions):
            at = n * REGION_SLOTS
            slots[at + RegionSlot.BASE], slots[at + RegionSlot.END] = physical, physical + size
            slots[at + RegionSlot.HOST] = self.block.address + offset
            slots[at + RegionSlot.READ_ONLY] = int(read_only)
        state.region_count = len(self.regions)

    def offset_of(self, physical: int, size: int) -> int | None:
        """Where in the block these bytes are, or None if they are not all memory."""
        for base, length, offset, _ in self.regions:
            if base <= physical and physical + size <= base + length:
                return offset + physical - base
        return None
