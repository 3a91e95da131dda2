"""The ``monitor`` commands: tables of the machine's state, made from the same register classes as everything else.

Each command is one function and one row; its arguments are words, and nothing here evaluates or opens anything.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from vmm.arch.cp0.fields import Register
from vmm.debug.explain import ACCESSES, explain
from vmm.debug.ids import asids, mmids
from vmm.debug.layout import PC, Row
from vmm.debug.listing import listed
from vmm.debug.tables import table
from vmm.debug.tlbs import entries
from vmm.debug.view import ADDRESS_MASK, View
from vmm.debug.worlds import GUEST, HOST, Worlds
from vmm.gdbstub.target import TargetError, ThreadId

FEW_LINES, MOST_LINES = 8, 1000                             # of code
WORLD_NAMES = {"host": HOST, "guest": GUEST}
WHOSE = "[host|guest [N]|P.T]"
"""A CPU, a vCPU of the first virtual machine, or a thread as GDB names it: process and number."""
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
    """What ``WHOSE`` says, and what is left of the words."""
    if words and (named := re.fullmatch(r"([0-9]{1,9})\.([0-9]{1,9})", words[0])):
        thread, words = ThreadId(int(named[1]), int(named[2])), words[1:]
    elif words and words[0] in WORLD_NAMES:
        pid, number = WORLD_NAMES[words.pop(0)], 0
        if words and words[0].isdecimal():
            number = int(words.pop(0))
        if pid == GUEST and not worlds.vms:
            raise TargetError("there is no guest beside this machine")
        thread = ThreadId(pid, number + 1)
    return worlds.view(thread), words


# -- commands ---------------------------------------------------------------------------------------------

def show_help(worlds: Worlds, view: View, words: list[str]) -> str:
    return table((f"monitor {c.name} {c.usage}".rstrip(), c.help) for c in COMMANDS.values())


def show_exits(worlds: Worlds, view: View, words: list[str]) -> str:
    exits = [vm.exits for vm in worlds.vms.values()]
    total = sum(map(Counter, exits), Counter[str]())
    if not total:
        return "no exits" + ("\n" if worlds.vms else ": this machine has no hypervisor\n")
    counts = ["count"] if len(exits) == 1 else [f"process {pid}" for pid in worlds.vms]
    return table([("cause", *counts), *((name, *(str(each.get(name, 0)) for each in exits))
                                        for name, _ in sorted(total.items(), key=lambda item: (-item[1], item[0])))])


def show_tlb(worlds: Worlds, view: View, words: list[str]) -> str:
    return entries(view)


def show_asids(worlds: Worlds, view: View, words: list[str]) -> str:
    return asids(worlds)


def show_mmids(worlds: Worlds, view: View, words: list[str]) -> str:
    return mmids(worlds)


def show_processes(worlds: Worlds, view: View, words: list[str]) -> str:
    if worlds.userland is None:
        raise TargetError("no user programs run on this machine: vmm host runs some")
    rows = [("process", "thread", "program", "CPU", "state")]
    for pid, process in worlds.processes.items():
        threads = worlds.program_threads(pid)
        rows += [(str(pid), str(each.id.tid), each.name, "-" if each.core is None else str(each.core), each.extra)
                 for each in threads] or [(str(pid), "-", process.name, "-", "ended, and not waited for")]
    return table(rows)


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
    Command("explain", WHOSE + " [ADDRESS [load|store|fetch]]", "how an address is translated, and why so",
            show_translation),
    Command("tlb", WHOSE, "entries of the TLB", show_tlb),
    Command("asid", "", "ASIDs of the host: each CPU's, each address space's", show_asids),
    Command("mmid", "", "MMIDs of the host: the allocator, each address space's", show_mmids),
    Command("ps", "", "user programs of the host kernel", show_processes),
    Command("disasm", WHOSE + " [ADDRESS [COUNT]]", "instructions, from where it is", show_code),
    Command("cp0", WHOSE + " [REGISTER...]", "CP0 registers with their fields", show_cp0),
)}
