"""The native engine: the rows and the privileged functions as one LLVM module, compiled once and kept as an object file.

Invariant: the module depends on the tables, the generator and the byte order alone, never on a core: which rows a core
has is in the table from rows to handlers that ``Program.row_table`` makes for it.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.privileged import exception, memory, msa, timer
from vmm.arch.privileged.service import SERVICES
from vmm.arch.rows import Fork, Insn, Tree, decode_tree
from vmm.arch.state import OFFSET
from vmm.engine.emit import FunctionEmitter, Heavy
from vmm.engine.handlers import ARGUMENTS, MAIN, SLOT, heavy_handlers, inline_handlers, mangled
from vmm.engine.runtime import runtime

PLAIN, BRANCH, JUMP = 0, 1, 2
"""The kind of a row in the row table."""
FIRST_RELEASE_6 = 6
FIXED = ("arrive", "page_end", "undecoded_main", "undecoded_slot", "step_slot")
"""Handlers whose addresses Python needs."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    leaves: bool


class Unit:
    """The module while it is written: functions on demand, each once."""

    def __init__(self, rows: tuple[Insn, ...], big_endian: bool) -> None:
        self.rows, self.big_endian = rows, big_endian
        self.text: list[str] = []
        self._functions: dict[Callable[..., Any], Function] = {}
        self._tables: dict[tuple[int, ...], str] = {}
        self._raisers: dict[tuple[str, str], str] = {}
        self._refusers: set[str] = set()
        self.heavy: set[str] = set()

    # -- names --------------------------------------------------------------------------------------------------------
    def handler_name(self, row: Insn, flavour: str, *, slow: bool) -> str:
        return f"h_{mangled(row)}_{flavour}{'_slow' if slow else ''}"

    def control_name(self, row: Insn, *, near: bool) -> str:
        return f"h_{mangled(row)}_{'near' if near else 'far'}"

    # -- parts on demand ----------------------------------------------------------------------------------------------
    def function(self, function: Callable[..., Any], count: int) -> Function:
        if function not in self._functions:
            emitter = FunctionEmitter(self, f"f_{function.__module__.rpartition('.')[2]}_{function.__name__}", count)
            text = emitter.build(function)
            self._functions[function] = Function(emitter.name, emitter.leaves)
            self.text.append(text)
        return self._functions[function]

    def constant_table(self, numbers: tuple[int, ...]) -> str:
        if numbers not in self._tables:
            name = f"@table{len(self._tables)}"
            cells = ", ".join(f"i64 {n}" for n in numbers)
            self.text.append(f"{name} = internal constant [{len(numbers)} x i64] [{cells}]")
            self._tables[numbers] = name
        return self._tables[numbers]

    def raiser(self, name: str, flavour: str) -> str:
        """A handler that raises this exception at its record."""
        key = name, flavour
        if key not in self._raisers:
            self._raisers[key] = f"raise_{name}_{flavour}"
            self.text.append(f"""
define internal tailcc void @{self._raisers[key]}({ARGUMENTS}) nounwind cold {{
  call void @synchronise_{flavour}(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call void @put(ptr %st, i64 «st.trap», i64 {int(ExcCode[name]) + 1})
  ret void
}}""")
        return self._raisers[key]

    def refuser(self, flavour: str) -> str:
        """A handler that raises at its record what keeps MSA from being used."""
        name = f"refuse_vector_{flavour}"
        if name not in self._refusers:
            self._refusers.add(name)
            refuse = self.function(msa.refuse, 0).name
            self.text.append(f"""
define internal tailcc void @{name}({ARGUMENTS}) nounwind cold {{
  call void @synchronise_{flavour}(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call i64 @{refuse}(ptr %st)
  ret void
}}""")
        return name

    # -- the whole ----------------------------------------------------------------------------------------------------
    def build(self) -> str:
        for row in self.rows:
            try:
                self.text += list(inline_handlers(self, row))
            except Heavy:
                self.heavy.add(mangled(row))
                self.text += list(heavy_handlers(self, row))
        names = {"look_around": self.function(timer.look_around, 0).name,
                 "deliver": self.function(exception.deliver, 0).name,
                 "fetch": self.function(memory.fetch, 0).name}
        self.raiser("RI", MAIN), self.raiser("RI", SLOT)
        services = [self._service(name, function, count) for name, (function, count) in SERVICES.items()]
        own = "\n".join([*self.text, *services])
        own = own.replace("«st.trap»", str(8 * OFFSET["trap"]))
        return "\n".join([own, _row_of(self.rows), runtime(self.big_endian, names), self._addresses()])

    def _service(self, name: str, function: Callable[..., Any], count: int) -> str:
        """An exported name for a function that Python may call."""
        callee = self.function(function, count).name
        parameters = "".join(f", i64 %a{n}" for n in range(count))
        return (f"define i64 @service_{name}(ptr %st{parameters}) nounwind {{\n"
                f"  %r = call i64 @{callee}(ptr %st{parameters})\n  ret i64 %r\n}}")

    def _addresses(self) -> str:
        """Two exported arrays: the row lines (near, far or main, slot, kind), and the fixed handlers."""
        reserved = ("ptr @raise_RI_main", "ptr @raise_RI_main", "ptr @raise_RI_slot", "i64 0")
        lines = [reserved, *(self._line(row) for row in self.rows)]
        cells = ", ".join(f"{{ptr, ptr, ptr, i64}} {{{', '.join(line)}}}" for line in lines)
        fixed = ", ".join(f"ptr @{name}" for name in FIXED)
        return (f"@row_lines = constant [{len(lines)} x {{ptr, ptr, ptr, i64}}] [{cells}]\n"
                f"@fixed_handlers = constant [{len(FIXED)} x ptr] [{fixed}]\n")

    def _line(self, row: Insn) -> tuple[str, str, str, str]:
        if row.control:
            branches = any(f.name == "off" for f in row.encoding.fields)
            far = f"ptr @{self.control_name(row, near=False)}"
            near = f"ptr @{self.control_name(row, near=True)}" if branches else far
            return near, far, "ptr @raise_RI_slot", f"i64 {BRANCH if branches else JUMP}"
        main = f"ptr @{self.handler_name(row, MAIN, slow=False)}"
        return main, main, f"ptr @{self.handler_name(row, SLOT, slow=False)}", f"i64 {PLAIN}"


def _row_of(rows: tuple[Insn, ...]) -> str:
    """``row_of(word)``: the row's number plus 1, or 0.  The decode tree, as switches."""
    number = {id(row): n + 1 for n, row in enumerate(rows)}
    lines, names = ["define internal i32 @row_of(i32 %w) nounwind {"], iter(range(1 << 30))

    def write(tree: Tree | None, label: str) -> None:
        lines.append(f"{label}:")
        if tree is None:
            lines.append("  ret i32 0")
        elif isinstance(tree, Insn):
            n = next(names)
            lines.append(f"  %x{n} = and i32 %w, {_i32(tree.encoding.mask)}")
            lines.append(f"  %c{n} = icmp eq i32 %x{n}, {_i32(tree.encoding.match)}")
            lines.append(f"  %r{n} = select i1 %c{n}, i32 {number[id(tree)]}, i32 0")
            lines.append(f"  ret i32 %r{n}")
        else:
            _write_fork(tree)

    def _write_fork(tree: Fork) -> None:
        n = next(names)
        lines.append(f"  %m{n} = and i32 %w, {_i32(tree.mask)}")
        targets = [(key, f"k{next(names)}", child) for key, child in tree.children.items()]
        other = f"o{next(names)}"
        cases = " ".join(f"i32 {_i32(key)}, label %{label}" for key, label, _ in targets)
        lines.append(f"  switch i32 %m{n}, label %{other} [{cases}]")
        for _, label, child in targets:
            write(child, label)
        write(tree.other, other)

    write(decode_tree(rows), "entry")
    return "\n".join([*lines, "}"])


def _i32(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


def pre_release_6() -> tuple[Insn, ...]:
    return tuple(row for row in ROWS if row.since < FIRST_RELEASE_6)


def module_text(big_endian: bool) -> str:
    """The module for cores before release 6."""
    return Unit(pre_release_6(), big_endian).build()
