"""Instructions as handlers of their own: the algebra as LLVM text that works on one decoded record.

Handlers pass ``(st, rec, b, tgt, view)``: the state, the record, the budget, where to go after a delay slot, the soft
TLB.  ``b`` is the ticks left plus the record's index in its page, so straight code need not count; a branch from i to j
adds j - i - 2.  ``tgt`` is a record of this page, or ``arrive`` (index 0), which goes to ``state.target_va``.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vmm.arch.cp0.registers import Status
from vmm.arch.encoding import Field
from vmm.arch.privileged import cp0, memory, vector
from vmm.arch.privileged.mode import KERNEL
from vmm.arch.rows import Insn
from vmm.arch.state import OFFSET, ROOT_FILE
from vmm.engine import lanes
from vmm.engine.emit import LINE_BITS
from vmm.engine.emit_words import Condition, Heavy, Operand, Word
from vmm.engine.hostfp import HostArithmetic
from vmm.engine.records import (
    ADDEND,
    ARGUMENTS,
    BYTE_OF,
    DATA_ENTRIES,
    FETCH_AT,
    FETCH_ENTRIES,
    FETCH_ENTRY,
    FIELDS_AT,
    PASS,
    RECORD,
    RECORD_SHIFT,
    SLOT,
    TAG_LOAD,
    TAG_STORE,
    WORD_AT,
)

PAGE_SHIFT = 12


class FieldRef:
    """A field of the instruction, before a meaning says how to read it."""
    __slots__ = ("field",)

    def __init__(self, field: Field) -> None:
        self.field = field


class InlineEmitter(HostArithmetic):
    """The words of an instruction that is compiled into its handler."""

    def __init__(self, unit: Any, row: Insn, flavour: str, slow: bool) -> None:
        super().__init__(unit)
        self.row, self.flavour, self.slow = row, flavour, slow
        self.touches_memory = False
        self.is_kernel = False
        """It goes no further but in the root kernel."""

    # -- fields -------------------------------------------------------------------------------------------------------
    def _part(self, offset: int, bits: int, how: str) -> Word:
        place = self.named(f"getelementptr inbounds i8, ptr %rec, i64 {offset}")
        return self.word_of(f"{how} i{bits} {self.named(f'load i{bits}, ptr {place}')} to i64")

    def field(self, ref: FieldRef, *, signed: bool = False) -> Word:
        f = ref.field
        if f.width == 5 and f.low in BYTE_OF and not signed:
            return self._part(FIELDS_AT + BYTE_OF[f.low], 8, "zext")
        if f.low == 0 and f.width == 16:
            return self._part(WORD_AT, 16, "sext" if signed else "zext")
        word = self._part(WORD_AT, 32, "zext").shl(64 - f.low - f.width)
        return word.sar(64 - f.width) if signed else word.shr(64 - f.width)

    def register(self, number: Operand) -> Operand:
        return self.field(number) if isinstance(number, FieldRef) else number

    def signed(self, x: Operand, width: int) -> Word:
        return self.field(x, signed=True) if isinstance(x, FieldRef) else super().signed(x, width)

    def unsigned(self, x: Operand, width: int) -> Word:
        return self.field(x) if isinstance(x, FieldRef) else super().unsigned(x, width)

    # -- where we are -------------------------------------------------------------------------------------------------
    def index(self, record: str = "%rec") -> Word:
        """The index in its page of a record."""
        address = self.word_of(f"ptrtoint ptr {record} to i64")
        return address.shr(RECORD_SHIFT) & 1023

    @property
    def pc(self) -> Word:
        return self.state.page_va + self.index().shl(2)  # type: ignore[no-any-return]

    def code_stays(self) -> Condition:
        """The soft TLB still has the page, so no entry that translated it went."""
        page = self.state.page_va
        number = page.shr(PAGE_SHIFT) & (FETCH_ENTRIES - 1)
        entry = self.named(f"getelementptr inbounds i8, ptr %view, i64 {(number * FETCH_ENTRY + FETCH_AT).text}")
        return self.condition(f"icmp eq i64 {self.named(f'load i64, ptr {entry}')}, {page.text}")

    # -- going on -----------------------------------------------------------------------------------------------------
    def go(self, record: str, b: str = "%b", tgt: str = "%tgt") -> None:
        handler = self.named(f"load ptr, ptr {record}")
        self.line(f"musttail call tailcc void {handler}(ptr %st, ptr {record}, i64 {b}, ptr {tgt}, ptr %view)")
        self.line("ret void")

    def next_record(self, distance: int) -> str:
        return self.named(f"getelementptr inbounds i8, ptr %rec, i64 {distance}")

    def go_on(self) -> None:
        if self.flavour == SLOT:
            self.go("%tgt")
        else:
            self.go(self.next_record(RECORD))

    def become(self, handler: str) -> None:
        """Let another handler do this instruction."""
        self.line(f"musttail call tailcc void @{handler}({PASS})")
        self.line("ret void")

    def become_slow(self) -> None:
        self.become(self.unit.handler_name(self.row, self.flavour, slow=True))

    def instruction(self) -> str:
        return self.named(f"load i32, ptr {self.named(f'getelementptr inbounds i8, ptr %rec, i64 {WORD_AT}')}")

    def leave(self) -> None:
        self.line("ret void")

    def trap(self, name: str) -> None:
        self.become(self.unit.raiser(name, self.flavour))
        self.label(f"dead{self.fresh()}")

    def trap_code(self, code: Operand) -> None:
        raise Heavy

    def call(self, function: Callable[..., Any], *words: Operand) -> Word:
        if function is not cp0.read:
            raise Heavy
        return self._held(*words)

    def _held(self, index: Word) -> Word:
        """A register as the root kernel reads it; what is more than a look, or anybody else's, is for the slow handler."""
        state = self.state
        self.is_kernel = True
        self.slow_if((state.priv != KERNEL) | (state.in_guest != 0) | (self.table(cp0.AS_HELD, index) == 0))
        return self.slot(index + ROOT_FILE) & self.slot(index + OFFSET["root_present"])

    # -- memory -------------------------------------------------------------------------------------------------------
    def _hit(self, address: Word, size: int, tag_at: int) -> Word:
        """The host address of an aligned access."""
        return self._look_up(address, tag_at, lambda tag: (address & ~(0xFFF ^ size - 1)) == tag)

    def _hit_vector(self, address: Word, tag_at: int) -> Word:
        """The host address of 16 bytes on one page, aligned or not."""
        last = address + (vector.VECTOR_BYTES - 1)
        return self._look_up(address, tag_at, lambda tag: ((address & ~0xFFF) == tag) & ((last & ~0xFFF) == tag))

    def _look_up(self, address: Word, tag_at: int, matches: Callable[[Word], Condition]) -> Word:
        """The host address, by the soft TLB; without a hit the slow handler takes over."""
        self.touches_memory = True
        page = address.shr(12) & (DATA_ENTRIES - 1)
        entry = self.named(f"getelementptr inbounds i8, ptr %view, i64 {page.shl(5).text}")
        tag_place = self.named(f"getelementptr inbounds i8, ptr {entry}, i64 {tag_at}")
        tag = self.word_of(f"load i64, ptr {tag_place}")
        n = self.fresh()
        hit = matches(tag)
        self.line(f"br i1 {hit.text}, label %hit{n}, label %miss{n}, !prof !0")
        self.label(f"miss{n}")
        self.become_slow()
        self.label(f"hit{n}")
        addend = self.named(f"getelementptr inbounds i8, ptr {entry}, i64 {ADDEND}")
        return address + self.word_of(f"load i64, ptr {addend}")

    def _pointer(self, host: Word) -> str:
        return self.named(f"inttoptr i64 {host.text} to ptr")

    def _swapped(self, value: str, size: int) -> str:
        if not self.big_endian or size == 1:
            return value
        bits = LINE_BITS[size]
        return self.named(f"call {bits} @llvm.bswap.{bits}({bits} {value})")

    def load(self, address: Word, size: int) -> Word:
        if self.slow:
            return self.outside(memory.load, address, self.const(size))
        return self._read(self._pointer(self._hit(address, size, TAG_LOAD)), size)

    def _read(self, pointer: str, size: int) -> Word:
        bits = LINE_BITS[size]
        raw = self._swapped(self.named(f"load {bits}, ptr {pointer}, align 1"), size)
        return Word(self, raw) if size == 8 else self.word_of(f"zext {bits} {raw} to i64")

    def store(self, address: Word, size: int, word: Word) -> None:
        if self.slow:
            self.touches_memory = True
            self.outside(memory.store, address, self.const(size), word)
            return
        self._write(self._pointer(self._hit(address, size, TAG_STORE)), size, word)

    def _write(self, pointer: str, size: int, word: Word) -> None:
        bits = LINE_BITS[size]
        low = word.text if size == 8 else self.named(f"trunc i64 {word.text} to {bits}")
        self.line(f"store {bits} {self._swapped(low, size)}, ptr {pointer}, align 1")

    def load_unit(self, address: Word, size: int) -> Word:
        if self.slow:
            return self.outside(memory.load_unit, address, self.const(size))
        return self.load(address & -size, size)

    def store_unit(self, address: Word, size: int, word: Word, mask: Word) -> None:
        if self.slow:
            self.touches_memory = True
            self.outside(memory.store_unit, address, self.const(size), word, mask)
            return
        pointer = self._pointer(self._hit(address & -size, size, TAG_STORE))
        self._write(pointer, size, self._read(pointer, size) & ~mask | word & mask)

    def load_vector(self, number: FieldRef, address: Word, size: int) -> None:
        """``size`` bytes are a lane.  The whole vector lies on one page that the soft TLB knows, or the slow handler."""
        if self.slow:
            self.touches_memory = True
            self.outside(vector.load_vector, self.field(number), address, self.const(size))
            return
        host = self._hit_vector(address, TAG_LOAD)
        raw = self.named(f"load {lanes.vector_type(8 * size)}, ptr {self._pointer(host)}, align 1")
        self.vector(8 * size)[number] = self._ordered(lanes.Lanes(self, 8 * size, raw))

    def store_vector(self, number: FieldRef, address: Word, size: int) -> None:
        if self.slow:
            self.touches_memory = True
            self.outside(vector.store_vector, self.field(number), address, self.const(size))
            return
        host = self._hit_vector(address, TAG_STORE)
        value = self._ordered(self.vector(8 * size)[number])
        self.line(f"store {lanes.vector_type(8 * size)} {value.text}, ptr {self._pointer(host)}, align 1")

    def _ordered(self, value: lanes.Lanes) -> lanes.Lanes:
        return lanes.bytes_swapped(self, value) if self.big_endian else value

    def load_linked(self, address: Word, size: int) -> Word:
        raise Heavy

    def store_conditional(self, address: Word, size: int, word: Word) -> Word:
        raise Heavy

    def outside(self, function: Callable[..., Any], *words: Operand) -> Word:
        """Call a function that wants to know where we are and may trap or stop."""
        self.synchronise()
        result = super().call(function, *words)
        return result

    def synchronise(self) -> None:
        self.line(f"call void @synchronise_{self.flavour}(ptr %st, ptr %rec, i64 %b, ptr %tgt)")

    # -- branches -----------------------------------------------------------------------------------------------------
    def branch(self, condition: Condition, off: Any) -> None:
        raise Heavy

    branch_likely = branch

    def jump(self, target: Word) -> None:
        raise Heavy

    jump_region = compact_jump = jump

    compact_branch = branch

    def link(self, number: Any) -> None:
        raise Heavy

    def need_right(self) -> None:
        """What every instruction of the row's kind must be allowed."""
        if self.row.bits == 64:
            self.require(self.state.ops64 != 0, "RI")
        if self.row.dsp:
            self.require(self.cp0.on(Status.MX), "DSPDis")
        if self.row.vector:
            for _ in self.when(self.state.vectors != 0):
                self.become(self.unit.refuser(self.flavour))
                self.label(f"dead{self.fresh()}")

    def definition(self, name: str) -> str:
        head = f"define internal tailcc void @{name}({ARGUMENTS}) nounwind {{\nentry:"
        return "\n".join([head, *self.cells, *self.lines, "}"])
