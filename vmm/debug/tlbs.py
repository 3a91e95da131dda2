"""The entries of a TLB as a table: those that map anything.

What non-global entries are told apart by is MemoryMapID where Config5.MI is on, else EntryHi.ASID; a root entry of a guest
has its GuestID.  (HM-2, HM-54)
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmm.arch.cp0.registers import Config5, EntryHi, EntryLo0, MemoryMapID, Wired
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.debug.guest import GuestView, TeView
from vmm.debug.host import HostView
from vmm.debug.process import ProcessView
from vmm.debug.tables import table
from vmm.debug.view import View
from vmm.engine.cpu import Cpu, TlbEntry


@dataclass(frozen=True, slots=True)
class Shape:
    """Where entries are.  ``sets``: of the FTLB, which begins behind ``variable`` entries; 0 without one."""
    tag_name: str
    tag: int
    tag_mask: int
    wired: int = 0
    variable: int = 0
    sets: int = 0

    def place(self, number: int) -> str:
        if number < self.wired:
            return f"{number} wired"
        if not self.sets or number < self.variable:
            return str(number)
        way, place = divmod(number - self.variable, self.sets)
        return f"{number} FTLB {place}.{way}"


def entries(view: View) -> str:
    shape = _shape(view)
    rows: list[tuple[str, ...]] = [("entry", "virtual", "size", shape.tag_name, "GuestID", "even page", "odd page")]
    rows += [_row(number, entry, shape) for number, entry in _all(view) if _maps(entry)]
    now = f"{shape.tag_name} now {shape.tag:#x}, marked *"
    if len(rows) == 1:
        return f"the TLB has no valid entries; {shape.tag_name} now {shape.tag:#x}\n"
    places = "; FTLB entries by set.way" if shape.sets else ""
    return table(rows) + f"{now}; {shape.wired} wired{places}\n"


def _shape(view: View) -> Shape:
    mask = view.machine.model.asid_mask
    if isinstance(view, TeView):
        return Shape("ASID", view.backend.guest(view.vcpu).asid, mask)
    cpu, tlb = _cpu_and_tlb(view)
    words, base = cpu.state.words, (ROOT_FILE, GUEST_FILE)[tlb]
    wired = min(words[base + Wired.index] & 0xFFFF, cpu.state.array("vtlb_size")[tlb])
    variable, sets = cpu.state.array("vtlb_size")[tlb], cpu.state.array("ftlb_sets")[tlb]
    if words[base + Config5.index] & Config5.MI.mask:
        return Shape("MMID", words[base + MemoryMapID.index] & 0xFFFF, 0xFFFF, wired, variable, sets)
    return Shape("ASID", words[base + EntryHi.index] & mask, mask, wired, variable, sets)


def _cpu_and_tlb(view: View) -> tuple[Cpu, int]:
    """The CPU, and 1 for its guest TLB."""
    if isinstance(view, GuestView):
        return view.machine.cpus[max(view.vcpu.last_exec_cpu, 0)], 1
    if isinstance(view, ProcessView):
        return view.machine.cpus[view.core_number], 0
    assert isinstance(view, HostView)
    return view.cpu, 0


def _all(view: View) -> Iterator[tuple[int, TlbEntry]]:
    """Of an FTLB that is off there are none."""
    if isinstance(view, TeView):
        yield from enumerate(TlbEntry(e.entry_hi, e.page_mask, e.entry_lo0, e.entry_lo1)
                             for e in view.backend.guest(view.vcpu).tlb.entries)
        return
    cpu, tlb = _cpu_and_tlb(view)
    held = cpu.guest_tlb if tlb else cpu.tlb
    for number in range(cpu.state.array("tlb_size")[tlb]):
        yield number, held[number]


def _maps(entry: TlbEntry) -> bool:
    return not entry.ehinv and bool((entry.entry_lo0 | entry.entry_lo1) & ~EntryLo0.G.mask)


def _row(number: int, entry: TlbEntry, shape: Shape) -> tuple[str, ...]:
    pair = entry.page_mask | 0x1FFF
    shared = bool(entry.entry_lo0 & entry.entry_lo1 & EntryLo0.G.mask)
    tag = entry.mmid if shape.tag_name == "MMID" else entry.entry_hi & shape.tag_mask
    text = "global" if shared else f"{tag:#04x}" + (" *" if tag == shape.tag else "")
    return (shape.place(number), f"{entry.entry_hi & ~pair:#x}", f"{pair + 1 >> 11} KiB", text, str(entry.guest_id),
            _page(entry.entry_lo0), _page(entry.entry_lo1))


def _page(entry_lo: int) -> str:
    """Physical address, cache attribute, and the letters of what is set."""
    lo = EntryLo0(entry_lo)
    if not lo.V:
        return "-"
    marks = "".join(mark for mark, on in (("D", lo.D), ("r", lo.RI), ("x", lo.XI)) if on)
    return f"{lo.PFN << 12:#x} C={lo.C} {marks}".rstrip()
