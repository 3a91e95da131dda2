"""The ``monitor`` commands: tables of the machine's state, made from the same register classes as everything else.

Each command is one function and one row; its arguments are words, and nothing here evaluates or opens anything.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import EntryLo0
from vmm.debug.explain import ACCESSES, explain
from vmm.debug.guest import GuestView, TeView
from vmm.debug.host import HostView
from vmm.debug.layout import PC, Row
from vmm.debug.listing import listed
from vmm.debug.view import ADDRESS_MASK, View
from vmm.debug.worlds import GUEST, HOST, Worlds
from vmm.engine.cpu import TlbEntry
from vmm.gdbstub.target import TargetError, ThreadId

FEW_LINES, MOST_LINES = 8, 1000                             # of code
WORLD_NAMES = {"host": HOST, "guest": GUEST}
Show = Callable[[Worlds, View, list[str]], str]


@dataclass(frozen=True, slots=True)
class Command:
    name: str
    usage: str
    help: str
    show: Show


def monitor(worlds: Worlds, line: str, thread: ThreadId) -> str:
    """``thread``: whose state is meant if the words do not say."""
    name, *words = line.split() or ["help"]
    command = COMMANDS.get(name)
    if command is None:
        raise TargetError(f"no command {name[:40]!r}; there are {', '.join(COMMANDS)}")
    return command.show(worlds, *_whose(worlds, words, thread))


def _whose(worlds: Worlds, words: list[str], thread: ThreadId) -> tuple[View, list[str]]:
    """``[host|guest [N]]``, and what is left of the words."""
    pid, number = thread.pid, thread.tid - 1
    if words and words[0] in WORLD_NAMES:
        pid, number = WORLD_NAMES[words.pop(0)], 0
        if words and words[0].isdecimal():
            number = int(words.pop(0))
    if pid == GUEST and not worlds.guests:
        raise TargetError("there is no guest beside this machine")
    return worlds.view(ThreadId(pid, number + 1)), words


# -- commands ---------------------------------------------------------------------------------------------

def show_help(worlds: Worlds, view: View, words: list[str]) -> str:
    return table((f"monitor {c.name} {c.usage}".rstrip(), c.help) for c in COMMANDS.values())


def show_exits(worlds: Worlds, view: View, words: list[str]) -> str:
    exits = worlds.system.exits
    if not exits:
        return "no exits" + ("\n" if worlds.guests else ": this machine has no hypervisor\n")
    rows = sorted(exits.items(), key=lambda item: (-item[1], item[0]))
    return table([("cause", "count"), *((name, str(count)) for name, count in rows)])


def show_tlb(worlds: Worlds, view: View, words: list[str]) -> str:
    rows: list[tuple[str, ...]] = [("entry", "virtual", "size", "ASID", "GuestID", "even page", "odd page")]
    for number, entry in enumerate(tlb_of(view)):
        if not entry.ehinv and (entry.entry_lo0 | entry.entry_lo1) & ~EntryLo0.G.mask:
            rows.append(_tlb_row(number, entry, view))
    return table(rows) if len(rows) > 1 else "the TLB has no valid entries\n"


def tlb_of(view: View) -> Iterable[TlbEntry]:
    if isinstance(view, TeView):
        return [TlbEntry(e.entry_hi, e.page_mask, e.entry_lo0, e.entry_lo1)
                for e in view.backend.guest(view.vcpu).tlb.entries]
    if isinstance(view, GuestView):
        return view.machine.cpus[max(view.vcpu.last_exec_cpu, 0)].guest_tlb
    assert isinstance(view, HostView)
    return view.cpu.tlb


def _tlb_row(number: int, entry: TlbEntry, view: View) -> tuple[str, ...]:
    pair = entry.page_mask | 0x1FFF
    shared = bool(entry.entry_lo0 & entry.entry_lo1 & EntryLo0.G.mask)
    asid = "global" if shared else f"{entry.mmid or entry.entry_hi & view.machine.model.asid_mask:#04x}"
    return (str(number), f"{entry.entry_hi & ~pair:#x}", f"{pair + 1 >> 11} KiB", asid, str(entry.guest_id),
            _page(entry.entry_lo0), _page(entry.entry_lo1))


def _page(entry_lo: int) -> str:
    """Physical address, cache attribute, and the letters of what is set."""
    lo = EntryLo0(entry_lo)
    if not lo.V:
        return "-"
    marks = "".join(mark for mark, on in (("D", lo.D), ("r", lo.RI), ("x", lo.XI)) if on)
    return f"{lo.PFN << 12:#x} C={lo.C} {marks}".rstrip()


def show_cp0(worlds: Worlds, view: View, words: list[str]) -> str:
    rows = [row for row in view.rows if row.register is not None]
    if words:
        wanted = {word.lower() for word in words}
        rows = [row for row in rows if row.name in wanted]
        if missing := wanted - {row.name for row in rows}:
            raise TargetError(f"no CP0 register {', '.join(sorted(missing))} here; monitor cp0 lists them")
    values = view.registers()
    ordered = sorted(rows, key=lambda row: row.register.index if row.register else 0)
    return table([("register", "number", "value", "fields"), *(_cp0_row(row, values[row.number]) for row in ordered)])


def _cp0_row(row: Row, value: int | None) -> tuple[str, ...]:
    register: type[Register] | None = row.register
    assert register is not None and value is not None
    rd, sel = register.number
    return register.name, f"{rd},{sel}", f"{value:#0{2 + 2 * row.size}x}", fields(register, value)


def fields(register: type[Register], value: int) -> str:
    """``EXL KSU=2 IM=0x80``: those that are not zero, the highest first."""
    if len(register.fields) == 1 and register.fields[0].width > 1:
        return ""
    shown = []
    for f in sorted(register.fields, key=lambda f: -f.low):
        if number := f.of(value):
            shown.append(f.name if f.width == 1 else f"{f.name}={_value(f.kind, number)}")
    return " ".join(shown)


def _value(kind: Callable[[int], object], number: int) -> str:
    name = getattr(kind(number), "name", None)
    return name if isinstance(name, str) else f"{number:#x}" if number > 9 else str(number)


def table(rows: Iterable[Sequence[str]]) -> str:
    """Columns, aligned to the left."""
    cells = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
                   for row in cells)


def show_code(worlds: Worlds, view: View, words: list[str]) -> str:
    """From an address on, or from where the thread is."""
    address = number_of(words[0], 1 << 64) if words else view.registers()[PC]
    if address is None:
        raise TargetError("this thread is nowhere now; give an address")
    count = number_of(words[1], MOST_LINES + 1) if len(words) > 1 else FEW_LINES
    return "".join(listed(view, (address & -4) + 4 * n & ADDRESS_MASK) + "\n" for n in range(count))


def show_translation(worlds: Worlds, view: View, words: list[str]) -> str:
    address = number_of(words[0], 1 << 64) if words else view.registers()[PC]
    if address is None:
        raise TargetError("this thread is nowhere now; give an address")
    access = words[1] if len(words) > 1 else "load" if words else "fetch"
    if access not in ACCESSES:
        raise TargetError(f"{access[:40]!r} is no access; there are {', '.join(ACCESSES)}")
    return explain(worlds, view, address, ACCESSES[access])


def number_of(text: str, end: int) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < end:
        raise TargetError(f"{text[:40]!r} is no number from 0 to {end - 1:#x}; give one such as 0x80100000")
    return value


COMMANDS: dict[str, Command] = {command.name: command for command in (
    Command("help", "", "this list", show_help),
    Command("exits", "", "how often the guest left, by cause", show_exits),
    Command("explain", "[host|guest [N]] [ADDRESS [load|store|fetch]]", "how an address is translated, and why so",
            show_translation),
    Command("tlb", "[host|guest [N]]", "entries of the TLB", show_tlb),
    Command("disasm", "[host|guest [N]] [ADDRESS [COUNT]]", "instructions, from where it is", show_code),
    Command("cp0", "[host|guest [N]] [REGISTER...]", "CP0 registers with their fields", show_cp0),
)}
