"""An access that was looked at, stage by stage, in words."""
from __future__ import annotations

from vmm.arch.cp0.registers import EBase, EntryLo0, Status
from vmm.arch.privileged.names import FETCH, LOAD, STORE
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.debug.explain import compares, segments
from vmm.debug.explain.look import ACCESSES, Lookup, Raised, Seen, Stage, name_of
from vmm.engine.store import State

ACCESS_NAMES = {number: name for name, number in ACCESSES.items()}
REFILL = ("", "TLB refill", "XTLB refill")


def stages(seen: Seen) -> list[str]:
    """What each stage did; the second is indented as the first, under its own heading."""
    lines = []
    for stage in seen.stages:
        lines.append(_heading(seen, stage))
        lines += ["  " + line for line in _stage(seen, stage)]
    return lines


def _heading(seen: Seen, stage: Stage) -> str:
    if stage.segment is None and seen.stages[0] is not stage:
        return f"second stage: guest-physical {stage.address:#x} through the root's TLB"
    return f"{ACCESS_NAMES[seen.access]} of {stage.address:#x} by {segments.privilege(seen.state, stage.file)}"


def _stage(seen: Seen, stage: Stage) -> list[str]:
    second = len(seen.stages) == 2 and stage is seen.stages[1]
    lines = [] if second else segments.describe(seen.state, stage)
    if stage.lookup is not None:
        lines += _walk(stage.lookup)
        lines += compares.describe(seen.state, stage.address, stage.lookup)
        lines += _page(seen, stage)
    return lines


def _walk(lookup: Lookup) -> list[str]:
    """What the hardware walker did after nothing had matched."""
    if not lookup.reads:
        return []
    reads = ", ".join(f"{value:#x} at {address:#x}" for address, value in lookup.reads)
    came = "and writes an entry" if lookup.walked else "and gives up"
    return [f"nothing matches, so the hardware walker reads {reads}, {came}"]


def _page(seen: Seen, stage: Stage) -> list[str]:
    """The page of the entry that won, and what it allows."""
    lookup = stage.lookup
    assert lookup is not None
    if not lookup.entry:
        return ["nothing matches"]
    entry = compares.entry_at(seen.state, lookup.tlb, lookup.entry)
    which, lo = ("odd" if stage.address & entry.half else "even"), entry.page(stage.address)
    line = f"its {which} page, by address bit {entry.half:#x}: {compares.page_text(lo, seen.state)}"
    if stage.physical is None:
        return [line, f"  {forbids(lo, seen.access)}"]
    name = "guest-physical" if stage.file == GUEST_FILE else "physical"
    return [line, f"so {name} {stage.physical:#x}"]


def forbids(lo: int, access: int) -> str:
    """Why a page does not take this access."""
    page = EntryLo0(lo)
    if not page.V:
        return "V=0: not valid"
    if access == FETCH and page.XI:
        return "XI=1: nothing may be executed here"
    if access == LOAD and page.RI:
        return "RI=1: nothing may be read here"
    if access == STORE and not page.D:
        return "D=0: nothing may be stored here"
    return "refused"


def exception(seen: Seen) -> str:
    """The exception, its context and its vector, and why that one."""
    raised = seen.raised
    assert raised is not None
    context = "the guest" if raised.to_guest else "root"
    kind = f" ({REFILL[raised.refill]})" if raised.refill else ""
    exits = "" if raised.guest_exit is None else f", a guest exit with GExcCode {raised.guest_exit.name}"
    return (f"exception {name_of(raised.code)}{kind} to {context}{exits}, vector {raised.vector:#x} "
            f"({_vector(seen.state, raised)})")


def _vector(state: State, raised: Raised) -> str:
    words, base = state.words, GUEST_FILE if raised.to_guest else ROOT_FILE
    status = words[base + Status.index]
    if status & Status.BEV.mask:
        start = "Status.BEV=1"
    else:
        start = f"EBase {words[base + EBase.index] & -4096:#x}"
    late = bool(raised.refill) and bool(status & Status.EXL.mask)
    return start + (", and as Status.EXL=1 no refill vector" if late else "")
