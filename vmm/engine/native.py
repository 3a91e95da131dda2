"""The native engine: the rows and the privileged functions as one LLVM module, compiled once and kept as an object file.

Invariant: the module depends on the tables, the generator and the byte order alone, never on a core: which rows a core
has is in the table from rows to handlers that ``Program.row_table`` makes for it.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from vmm.arch.encoding import Field
from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.privileged import entries, exception, fpu, memory, msa, timer
from vmm.arch.privileged.service import SERVICES
from vmm.arch.rows import RELEASE_6, REMOVED_NEVER, Choice, Fork, Insn, Tree, decode_tree
from vmm.arch.state import OFFSET
from vmm.engine import hostlanes
from vmm.engine.emit import FunctionEmitter
from vmm.engine.emit_words import Heavy
from vmm.engine.handlers import heavy_handlers, inline_handlers, mangled
from vmm.engine.hostfp import host_has_flags, host_has_fma
from vmm.engine.records import ARGUMENTS, COMPACT, CONTROL, FORBIDS, MAIN, SLOT, SYSTEM
from vmm.engine.runtime import runtime

FIXED = ("arrive", "page_end", "undecoded_main", "undecoded_slot", "step_slot", "step_jump", "row_before_6",
         "row_from_6")
"""Handlers whose addresses Python needs."""


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    leaves: bool


class Unit:
    """The module while it is written: functions on demand, each once."""

    def __init__(self, rows: tuple[Insn, ...], big_endian: bool) -> None:
        self.rows, self.big_endian = rows, big_endian
        self.host_fp, self.host_fma = host_has_flags(), host_has_fma()
        self.text: list[str] = []
        self._functions: dict[Callable[..., Any], Function] = {}
        self._tables: dict[tuple[int, ...], str] = {}
        self._raisers: dict[tuple[str, str], str] = {}
        self._refusers: set[str] = set()
        self._host_lanes: set[str] = set()
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

    def coprocessor_refuser(self) -> str:
        """A handler that says that coprocessor 1 is unusable."""
        key = "refuse", MAIN
        if key not in self._raisers:
            self._raisers[key] = "refuse_cop1"
            refuse = self.function(fpu.unusable, 0).name
            self.text.append(f"""
define internal tailcc void @refuse_cop1({ARGUMENTS}) nounwind cold {{
  call void @synchronise_{MAIN}(ptr %st, ptr %rec, i64 %b, ptr %tgt)
  call i64 @{refuse}(ptr %st)
  ret void
}}""")
        return self._raisers[key]

    def float_function(self, operation: str, option: int, bits: int) -> str:
        """The host's way to an operation on lanes."""
        name = hostlanes.function_name(operation, option, bits)
        if name not in self._host_lanes:
            self._host_lanes.add(name)
            self.text.append(hostlanes.function(operation, option, bits))
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
                 "fetch": self.function(memory.fetch, 0).name, "recall": self.function(fpu.recall, 0).name,
                 "forget_alone": self.function(entries.forget_alone, 2).name}
        self.raiser("RI", MAIN), self.raiser("RI", SLOT)
        services = [self._service(name, function, count) for name, (function, count) in SERVICES.items()]
        own = "\n".join([*self.text, *services])
        own += "\n".join(hostlanes.declarations()) if self.host_fma else ""
        own = own.replace("«st.trap»", str(8 * OFFSET["trap"]))
        decoders = [_row_of(name, self.rows, release) for name, release in DECODERS.items()]
        return "\n".join([own, *decoders, runtime(self.big_endian, names), self._addresses()])

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
        if row.control or row.compact:
            far = f"ptr @{self.control_name(row, near=False)}"
            near = f"ptr @{self.control_name(row, near=True)}" if row.off else far
            return near, far, "ptr @raise_RI_slot", f"i64 {kind_of(row)}"
        main = f"ptr @{self.handler_name(row, MAIN, slow=False)}"
        return main, main, f"ptr @{self.handler_name(row, SLOT, slow=False)}", f"i64 {kind_of(row)}"


def kind_of(row: Insn) -> int:
    flags = {CONTROL: row.control, COMPACT: row.compact, FORBIDS: row.forbids, SYSTEM: row.system}
    width = row.off.width if row.off and (row.control or row.compact) else 0
    return sum(bit for bit, has in flags.items() if has) | width


class TreeWriter:
    """A decode tree as switches: a function from a word to the row's number plus 1, or 0."""

    def __init__(self, rows: tuple[Insn, ...]) -> None:
        self.lines: list[str] = []
        self._number = {id(row): n + 1 for n, row in enumerate(rows)}
        self._names = iter(range(1 << 30))

    def write(self, tree: Tree | None, label: str) -> None:
        self.lines.append(f"{label}:")
        if tree is None:
            self.lines.append("  ret i32 0")
        elif isinstance(tree, Insn):
            self._try(tree, None)
        elif isinstance(tree, Choice):
            for row in tree.rows:
                following = f"t{next(self._names)}"
                self._try(row, following)
                self.lines.append(f"{following}:")
            self.lines.append("  ret i32 0")
        else:
            self._fork(tree)

    def _new(self, text: str) -> str:
        name = f"%n{next(self._names)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def _try(self, row: Insn, following: str | None) -> None:
        """The row if it fits; else 0, or go on at the label ``following``."""
        masked = self._new(f"and i32 %w, {_i32(row.encoding.mask)}")
        fits = self._new(f"icmp eq i32 {masked}, {_i32(row.encoding.match)}")
        for relation in row.encoding.relations:
            left, right = (self._side(side) for side in (relation.left, relation.right))
            holds = self._new(f"icmp {PREDICATES[relation.sign]} i32 {left}, {right}")
            fits = self._new(f"and i1 {fits}, {holds}")
        if following is None:
            self.lines.append(f"  ret i32 {self._new(f'select i1 {fits}, i32 {self._number[id(row)]}, i32 0')}")
        else:
            found = f"t{next(self._names)}"
            self.lines += [f"  br i1 {fits}, label %{found}, label %{following}", f"{found}:",
                           f"  ret i32 {self._number[id(row)]}"]

    def _side(self, side: Field | None) -> str:
        if side is None:
            return "0"
        return self._new(f"and i32 {self._new(f'lshr i32 %w, {side.low}')}, {(1 << side.width) - 1}")

    def _fork(self, tree: Fork) -> None:
        masked = self._new(f"and i32 %w, {_i32(tree.mask)}")
        targets = [(key, f"t{next(self._names)}", child) for key, child in tree.children.items()]
        other = f"t{next(self._names)}"
        cases = " ".join(f"i32 {_i32(key)}, label %{label}" for key, label, _ in targets)
        self.lines.append(f"  switch i32 {masked}, label %{other} [{cases}]")
        for _, label, child in targets:
            self.write(child, label)
        self.write(tree.other, other)


PREDICATES = {"<": "ult", ">=": "uge", "=": "eq", "!=": "ne"}
DECODERS = {"row_before_6": range(1, RELEASE_6), "row_from_6": range(RELEASE_6, REMOVED_NEVER)}
"""The decoders, and the releases whose cores use each; which one a CPU uses is in the shared struct."""


def _row_of(name: str, rows: tuple[Insn, ...], releases: range) -> str:
    """The decoder for the rows that any core of these releases has."""
    writer = TreeWriter(rows)
    writer.write(decode_tree(row for row in rows if any(row.on(release) for release in releases)), "entry")
    return "\n".join([f"define internal i32 @{name}(i32 %w) nounwind {{", *writer.lines, "}"])


def _i32(number: int) -> int:
    return number - (1 << 32) if number >> 31 else number


@cache
def module_text(big_endian: bool) -> str:
    """The module: every row, and a decoder each for cores before release 6 and from then on."""
    return Unit(ROWS, big_endian).build()
