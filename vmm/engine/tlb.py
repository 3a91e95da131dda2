"""A CPU's TLBs for Python, and CPUs that share an FTLB.

Invariant: what is written here is as TLBWI would do it: whose translations an entry gave, forgets them.
(``vmm.arch.privileged.entries``, ``ftlb``)
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmm.arch.cp0.registers import Config5
from vmm.arch.state import LENT, OFFSET, SHARED_FTLB_BEHIND, TLB_SLOTS, TlbSlot
from vmm.engine.store import same_memory

if TYPE_CHECKING:
    from vmm.engine.cpu import Cpu

SMALLEST_PAIR = 0x1FFF
SLOT_BYTES = 8


@dataclass(frozen=True, slots=True)
class TlbEntry:
    """An entry as TLBR shows it, with its GuestID; ``ehinv`` means that it matches nothing.  ``mmid``: where Config5.MI is
    on, the tag is that and ``entry_hi`` has none."""
    entry_hi: int
    page_mask: int
    entry_lo0: int
    entry_lo1: int
    guest_id: int = 0
    ehinv: bool = False
    mmid: int = 0


NOTHING = TlbEntry(0, 0, 0, 0, ehinv=True)


class Tlb:
    """``tlb[n]``: the root's TLB, or the guest's: ``variable`` entries of any page size, then those of the FTLB.

    Entries of an FTLB that is off can be read and written, and match nothing; those that only a sibling finds look empty.
    """

    def __init__(self, cpu: Cpu, name: str, variable: int, fixed: int) -> None:
        self._cpu, self._words, self._size = cpu, cpu.state.array(name), variable + fixed
        self._number = int(name == "guest_tlb")
        self._first = OFFSET[name]
        self.variable = variable

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[TlbEntry]:
        return (self[n] for n in range(self._size))

    def _slots(self, n: int) -> memoryview:
        if not 0 <= n < self._size:
            raise IndexError(f"TLB entry {n} of {self._size}")
        return self._words[n * TLB_SLOTS:(n + 1) * TLB_SLOTS]

    def __getitem__(self, n: int) -> TlbEntry:
        e = self._slots(n)
        if e[TlbSlot.VALID] and not e[TlbSlot.VALID] & self._found_marks:
            return NOTHING
        shared, tag = e[TlbSlot.GLOBAL], e[TlbSlot.ASID]
        asid, mmid = (0, tag) if self._by_mmid else (tag, 0)
        return TlbEntry(e[TlbSlot.VPN] | asid, e[TlbSlot.MASK] & ~SMALLEST_PAIR,
                        e[TlbSlot.LO0] & ~1 | shared, e[TlbSlot.LO1] & ~1 | shared, e[TlbSlot.GUEST],
                        not e[TlbSlot.VALID], mmid)

    @property
    def _found_marks(self) -> int:
        """What VALID has in entries that this CPU may find."""
        state = self._cpu.state
        return state.tlb_mark | (LENT if state.lends_entries else 0)

    @property
    def _is_shared(self) -> bool:
        return self._number == 0 and self._cpu.state.core_cpus > 1

    @property
    def _by_mmid(self) -> bool:
        file = self._cpu.guest if self._number else self._cpu.root
        return bool(file[Config5] & Config5.MI.mask)

    def __setitem__(self, n: int, entry: TlbEntry) -> None:
        """As TLBWI does: only what was translated through the old entry is forgotten."""
        self._slots(n)                                     # is there such an entry?
        service, state = self._cpu.engine.service, self._cpu.state
        at = self._first + n * TLB_SLOTS
        service(state, "forget_entry", at, self._number)
        self._write(n, entry)
        service(state, "forget_entry", at, self._number)

    def write_each(self, entries: Iterable[tuple[int, TlbEntry]]) -> None:
        """Many at once."""
        written = False
        for n, entry in entries:
            if self._is_shared and n >= self.variable:
                self[n] = entry
            else:
                self._write(n, entry)
                written = True
        if written:
            self._cpu.forget()

    def clear(self, start: int = 0) -> None:
        """Let no own entry from ``start`` on match anything."""
        end = self.variable if self._is_shared else self._size
        valid = self._words[start * TLB_SLOTS + TlbSlot.VALID:end * TLB_SLOTS:TLB_SLOTS]
        valid[:] = memoryview(bytes(8 * len(valid))).cast("Q")
        for n in range(max(start, end), self._size):
            self._drop_own(n)
        self._cpu.forget()

    def _drop_own(self, n: int) -> None:
        at, valid = n * TLB_SLOTS + TlbSlot.VALID, self._words[n * TLB_SLOTS + TlbSlot.VALID]
        if valid & self._cpu.state.tlb_mark:
            if valid & LENT:
                self._cpu.engine.service(self._cpu.state, "forget_entry", self._first + n * TLB_SLOTS, self._number)
            self._words[at] = 0

    def erase(self) -> None:
        """As after power came on; what siblings have in a shared FTLB stays."""
        if self._is_shared:
            self.clear()
        else:
            self._words[:] = memoryview(bytes(8 * len(self._words))).cast("Q")
            self._cpu.forget()

    def find(self, va: int, asid: int, guest_id: int = 0) -> int | None:
        """The index of the entry that matches, as TLBP finds it."""
        slot = self._cpu.engine.service(self._cpu.state, "find_entry", self._number, va, asid, guest_id)
        return (slot - self._first) // TLB_SLOTS if slot else None

    def _write(self, n: int, entry: TlbEntry) -> None:
        e, state = self._slots(n), self._cpu.state
        mask = entry.page_mask | SMALLEST_PAIR
        e[TlbSlot.VPN] = entry.entry_hi & state.vpn_mask & ~mask
        e[TlbSlot.MASK] = mask
        e[TlbSlot.LO0], e[TlbSlot.LO1] = entry.entry_lo0, entry.entry_lo1
        e[TlbSlot.ASID] = entry.mmid if self._by_mmid else entry.entry_hi & state.asid_mask
        e[TlbSlot.GLOBAL] = entry.entry_lo0 & entry.entry_lo1 & 1
        e[TlbSlot.GUEST] = entry.guest_id
        e[TlbSlot.VALID] = 0 if entry.ehinv else self._mark(n, entry)

    def _mark(self, n: int, entry: TlbEntry) -> int:
        """As ``ftlb.mark``."""
        state = self._cpu.state
        lent = state.lends_entries and self._number == 0 and n >= self.variable and not entry.guest_id
        suits_all = entry.entry_lo0 & entry.entry_lo1 & 1 or self._by_mmid
        return state.tlb_mark | (LENT if lent and suits_all else 0)


def share_ftlb(cpus: Sequence[Cpu], *, lends: bool) -> None:
    """Let CPUs, whose numbers follow each other, be the VPs of one core with one FTLB for root.  ``lends``: they use each
    other's entries."""
    first = cpus[0]
    assert first.tlb.variable == SHARED_FTLB_BEHIND, first.model.name
    at = (OFFSET["root_tlb"] + SHARED_FTLB_BEHIND * TLB_SLOTS) * SLOT_BYTES
    size = (len(first.tlb) - SHARED_FTLB_BEHIND) * TLB_SLOTS * SLOT_BYTES
    for vp, cpu in enumerate(cpus):
        if vp:
            same_memory(first.state.block, cpu.state.block, at, size)
        state = cpu.state
        state.tlb_mark, state.lends_entries = 1 << vp, int(lends)
        state.core_first, state.core_cpus = first.number, len(cpus)
