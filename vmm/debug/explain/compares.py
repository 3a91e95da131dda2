"""The entries of a TLB that could have matched, and each compare that was made of them.  (Volume III, chapter 4, "TLB
lookup"; mips.md 4.3, 7.5)

An entry that won is the one that the architecture's search found; the compares here only say why the others lost.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmm.arch.cp0.registers import Config5, EntryLo0
from vmm.arch.privileged import ftlb
from vmm.arch.state import GUEST_FILE, LENT, OFFSET, ROOT_FILE, TLB_SLOTS, TlbSlot
from vmm.debug.explain.look import Lookup
from vmm.engine.numbers import Numbers
from vmm.engine.store import Memory, State

TLB_ARRAYS = ("root_tlb", "guest_tlb")
CONTEXTS = ("root", "guest")


@dataclass(frozen=True, slots=True)
class Compare:
    """One of the conditions of a match: ``holds``, and what was compared with what."""
    name: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the TLB holds it; ``way`` is None in the VTLB."""
    number: int
    slot: int
    vpn: int
    mask: int
    lo: tuple[int, int]
    tag: int
    shared: bool
    guest_id: int
    valid: int
    way: int | None

    @property
    def half(self) -> int:
        """The address bit that chooses the page of the pair."""
        return self.mask + 1 >> 1

    def page(self, va: int) -> int:
        """EntryLo of the page that an address is in."""
        return self.lo[bool(va & self.half)]


def entry_at(state: State, tlb: int, slot: int) -> Entry:
    words = state.words
    number = (slot - OFFSET[TLB_ARRAYS[tlb]]) // TLB_SLOTS
    fixed, sets = number - state.array("vtlb_size")[tlb], state.array("ftlb_sets")[tlb]
    field = [words[slot + n] for n in range(TLB_SLOTS)]
    return Entry(number, slot, field[TlbSlot.VPN], field[TlbSlot.MASK], (field[TlbSlot.LO0], field[TlbSlot.LO1]),
                 field[TlbSlot.ASID], bool(field[TlbSlot.GLOBAL]), field[TlbSlot.GUEST], field[TlbSlot.VALID],
                 fixed // sets if fixed >= 0 and sets else None)


def entries_of(state: State, tlb: int) -> Iterator[Entry]:
    """All that the TLB has now: an FTLB that is off is not searched."""
    first = OFFSET[TLB_ARRAYS[tlb]]
    for number in range(state.array("tlb_size")[tlb]):
        yield entry_at(state, tlb, first + number * TLB_SLOTS)


def set_of(state: State, tlb: int, va: int) -> int | None:
    """The FTLB's set in which a page can be; None without an FTLB."""
    m = Numbers(state, False, Memory(0))
    number = m.const(tlb)
    return int(ftlb.set_of(m, number, m.const(va))) if ftlb.there(m, number) else None


def tag_name(state: State, tlb: int) -> str:
    """What non-global entries are told apart by (HM-2)."""
    return "MMID" if state.words[(ROOT_FILE, GUEST_FILE)[tlb] + Config5.index] & Config5.MI.mask else "ASID"


def compares(state: State, entry: Entry, va: int, lookup: Lookup) -> list[Compare]:
    """All conditions of a match with the address."""
    wanted, kept = va & state.vpn_mask, ~entry.mask
    name = tag_name(state, lookup.tlb)
    by_guest = lookup.tlb == 0 and lookup.guest_id != 0
    same_tag = entry.tag == lookup.tag
    tag = ("G is set, so any " + name if entry.shared else
           f"GuestID counts, not the {name}" if by_guest else
           f"{name} {entry.tag:#x}" + ("" if same_tag else f" is not {lookup.tag:#x}"))
    conditions = [
        written_for(state, entry, name),
        Compare("VPN2", not (entry.vpn ^ wanted) & kept,
                f"{entry.vpn:#x} " + ("=" if not (entry.vpn ^ wanted) & kept else "is not")
                + f" {wanted & kept:#x} under mask {entry.mask:#x}"),
        Compare(name, entry.shared or by_guest or same_tag, tag)]
    if state.guest_ids:
        same = entry.guest_id == lookup.guest_id
        conditions.append(Compare("GuestID", same,
                                  f"GuestID {entry.guest_id}" + ("" if same else f" is not {lookup.guest_id}")))
    return conditions


def written_for(state: State, entry: Entry, tag: str) -> Compare:
    """The entry holds something that this VP may use (``vmm.arch.privileged.ftlb``)."""
    if not entry.valid:
        return Compare("written", False, "empty (EHINV, or never written)")
    if entry.valid & state.tlb_mark:
        return Compare("written", True, "holds an entry")
    lent = bool(entry.valid & LENT) and state.lends_entries != 0 and (entry.shared or tag == "MMID")
    return Compare("written", lent, "lent by a sibling" if lent else "a sibling's own")


def in_reach(entry: Entry, state: State, tlb: int, chosen: int | None) -> bool:
    """The search looks at this entry: any of the VTLB, of the FTLB those of the chosen set."""
    if entry.way is None:
        return True
    return (entry.number - state.array("vtlb_size")[tlb]) % state.array("ftlb_sets")[tlb] == chosen


def page_text(lo: int, state: State) -> str:
    """An EntryLo in words."""
    page = EntryLo0(lo)
    marks = " ".join(f"{name}={int(bool(value))}" for name, value in (("V", page.V), ("D", page.D), ("RI", page.RI),
                                                                     ("XI", page.XI)))
    return f"physical {lo << 6 & state.pfn_mask:#x} C={page.C} {marks}"


def describe(state: State, va: int, lookup: Lookup) -> list[str]:
    """Lines: what was searched for, and how each entry that could matter fared."""
    name, chosen = tag_name(state, lookup.tlb), set_of(state, lookup.tlb, va)
    vtlb, size = state.array("vtlb_size")[lookup.tlb], state.array("tlb_size")[lookup.tlb]
    where = f"VTLB of {vtlb}" + ("" if chosen is None else
                                 f", and set {chosen} of the {size - vtlb} entries of the FTLB")
    wanted = f"VPN2 {va & state.vpn_mask:#x}, {name} {lookup.tag:#x}"
    if state.guest_ids:
        wanted += f", GuestID {lookup.guest_id}"
    lines = [f"{CONTEXTS[lookup.tlb]} TLB ({where}): looks for {wanted}"]
    empty = elsewhere = 0
    for entry in entries_of(state, lookup.tlb):
        if not in_reach(entry, state, lookup.tlb, chosen):
            continue
        conditions = compares(state, entry, va, lookup)
        written, page = conditions[0].holds, conditions[1].holds
        won = entry.slot == lookup.entry
        if won or (page and (written or entry.lo != (0, 0))):
            lines.append("  " + _row(entry, conditions, won, lookup))
        elif not written:
            empty += 1
        else:
            elsewhere += 1
    lines.append(f"  the others: {elsewhere} of other pages, {empty} empty")
    return lines


def _row(entry: Entry, conditions: list[Compare], won: bool, lookup: Lookup) -> str:
    place = f"entry {entry.number}" + ("" if entry.way is None else f" (FTLB way {entry.way})")
    if won:
        by_walker = ", written by the hardware walker" if entry.slot == lookup.walked else ""
        return f"{place} won{by_walker}: " + "; ".join(c.text for c in conditions[1:])
    return f"{place} lost: " + "; ".join(c.text for c in conditions if not c.holds)
