"""Handlers: each row as machine code that works on one decoded record and goes on to the next by a tail call.

A *record* is 16 bytes: handler, four register fields, the instruction word.  The records of a page of code are a *block*
of 2048: the first 1024 for each word as an ordinary instruction (*main*), the others for each word as a delay slot
(*slot*).  Record 1024 stands behind the last word of the page, and is the slot that no branch of the page has.

Handlers pass ``(st, rec, b, tgt, view)``: the state, the record, the budget, where to go after a delay slot, the soft
TLB.  ``b`` is the ticks left plus the record's index in its page, so straight code need not count; a branch from i to j
adds j - i - 2.  ``tgt`` is a record of this page, or ``arrive`` (index 0), which goes to ``state.target_va``.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vmm.arch.cp0.registers import Status
from vmm.arch.encoding import Field
from vmm.arch.fp import Needs
from vmm.arch.privileged import cp0, fpu, memory, msa, vector
from vmm.arch.rows import Insn
from vmm.arch.state import OFFSET
from vmm.engine import lanes
from vmm.engine.emit import LINE_BITS, Condition, FunctionEmitter, Heavy, Operand, Word
from vmm.engine.hostfp import HostArithmetic

RECORD = 16
RECORD_SHIFT = 4
BLOCK = 2048 * RECORD
SLOT_DISTANCE = 1024 * RECORD
FIELDS_AT, WORD_AT = 8, 12
"""Where a record has its four register fields and its instruction word."""
BYTE_OF = {21: 0, 16: 1, 11: 2, 6: 3}
"""Which byte holds the five bits of the instruction word that begin at this bit."""
HORIZON = 1026
"""Code runs freely while ``b`` is at least this: enough to run to the end of the page and one slot beyond."""
DATA_ENTRIES = 2048
DATA_ENTRY = 32
FETCH_ENTRIES = 256
FETCH_ENTRY = 16
FETCH_AT = DATA_ENTRIES * DATA_ENTRY
VIEW = FETCH_AT + FETCH_ENTRIES * FETCH_ENTRY
VIEWS = 16
TAG_LOAD, TAG_STORE, ADDEND = 0, 8, 16
CODE_FLAG = 0x800
"""In a store tag: the page has decoded code, so no address matches."""

CONTROL, COMPACT, FORBIDS, ALONE = 1 << 8, 1 << 9, 1 << 10, 1 << 11
"""The kind of a row in the row table (``Insn``); below these bits the width of a branch's ``off`` field, else 0."""

ARGUMENTS = "ptr %st, ptr %rec, i64 %b, ptr %tgt, ptr %view"
PASS = "ptr %st, ptr %rec, i64 %b, ptr %tgt, ptr %view"
MAIN, SLOT = "main", "slot"


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
        raise Heavy

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


class ControlEmitter(InlineEmitter):
    """A branch or jump: *near* if taken it stays in the page, *far* if it may leave.

    The link is written last, when it is sure that no other handler does the same instruction again.
    """

    def __init__(self, unit: Any, row: Insn, near: bool) -> None:
        super().__init__(unit, row, MAIN, False)
        self.near = near
        self.links: list[Any] = []
        self.ends: Callable[[], None] | None = None

    def become_slow(self) -> None:
        self.become(self.unit.coprocessor_refuser())

    def link(self, number: Any) -> None:
        self.links.append(number)

    def _write_links(self) -> None:
        for number in self.links:
            self.gpr[number] = self.pc + (4 if self.row.compact else 8)

    def finish(self) -> None:
        assert self.ends is not None, self.row.name
        self.ends()

    def _slot(self, b: Word, tgt: str) -> None:
        """Execute the delay slot, then go to ``tgt``."""
        self.go(self.next_record(SLOT_DISTANCE + RECORD), b.text, tgt)

    def branch(self, condition: Condition, off: Any) -> None:
        distance = self._distance(off)
        self.ends = lambda: self._near(condition, distance) if self.near else self._far(condition, distance)

    def branch_likely(self, condition: Condition, off: Any) -> None:
        distance = self._distance(off)
        self.ends = lambda: self._likely(condition, distance)

    def _near(self, condition: Condition, distance: Word) -> None:
        b, tgt = self._in_page(distance)
        b = self.select(condition, b, Word(self, "%b"))
        tgt = self.named(f"select i1 {condition.text}, ptr {tgt}, ptr {self.next_record(2 * RECORD)}")
        self._go_within(b, tgt)

    def _distance(self, off: Any) -> Word:
        """How many words further than the next instruction."""
        assert self.row.off is not None, self.row.name
        return self.signed(off, self.row.off.width)

    def _in_page(self, distance: Word) -> tuple[Word, str]:
        """Budget and record for a taken branch that stays in the page."""
        step = distance.shl(RECORD_SHIFT) + RECORD
        return (Word(self, "%b") + distance - 1,
                self.named(f"getelementptr inbounds i8, ptr %rec, i64 {step.text}"))

    def _unless_short(self, b: Word) -> None:
        """Go on only with ticks enough to run freely; else the far handler does this, and ends the run."""
        n = self.fresh()
        enough = self.condition(f"icmp sge i64 {b.text}, {HORIZON}")
        self.line(f"br i1 {enough.text}, label %enough{n}, label %short{n}, !prof !0")
        self.label(f"short{n}")
        self.become(self.unit.control_name(self.row, near=False))
        self.label(f"enough{n}")

    def _go_within(self, b: Word, tgt: str) -> None:
        self._unless_short(b)
        self._write_links()
        self._slot(b, tgt)

    def _after_slot(self) -> Word:
        return Word(self, "%b") - self.index() - 2

    def _leave_page(self, target: Word) -> None:
        left = self._after_slot()
        self.state.target_va = target
        self._write_links()
        self._slot(left, self.arrive())

    def arrive(self) -> str:
        return self.named(f"inttoptr i64 {self.state.arrive.text} to ptr")

    def _far(self, condition: Condition, distance: Word) -> None:
        pc = self.pc
        self._leave_page(self.select(condition, pc + 4 + distance.shl(2), pc + 8))

    def _likely(self, condition: Condition, distance: Word) -> None:
        for _ in self.when(~condition):
            self._write_links()
            annulled = Word(self, "%b") + 1            # the slot is not executed, so it is not counted
            self.go(self.next_record(2 * RECORD), annulled.text)
            self.label(f"dead{self.fresh()}")
        if self.near:
            self._go_within(*self._in_page(distance))
        else:
            self._leave_page(self.pc + 4 + distance.shl(2))

    def jump(self, target: Word) -> None:
        self.ends = lambda: self._leave_page(target)

    def compact_branch(self, condition: Condition, off: Any) -> None:
        self.ends = lambda: self._compact(condition, self._distance(off))

    def _compact(self, condition: Condition, distance: Word) -> None:
        """Taken, it goes on at once; not taken, with the next record, which decoding has seen to be no branch."""
        for _ in self.when(~condition):
            self._write_links()
            self.go_on()
            self.label(f"dead{self.fresh()}")
        if self.near:
            step = distance.shl(RECORD_SHIFT) + RECORD
            target = self.named(f"getelementptr inbounds i8, ptr %rec, i64 {step.text}")
            left = Word(self, "%b") + distance
            self._unless_short(left)
            self._write_links()
            self.go(target, left.text)
        else:
            self._leave_at_once(self.pc + 4 + distance.shl(2))

    def compact_jump(self, target: Word) -> None:
        self.ends = lambda: self._leave_at_once(target)

    def _leave_at_once(self, target: Word) -> None:
        self.state.target_va = self.select(self.state.wrap != 0, self.word(target), target)
        self._write_links()
        self.go(self.arrive(), (Word(self, "%b") - self.index() - 1).text)

    def jump_region(self, target: Any) -> None:
        place = self.unsigned(target, 26).shl(2)
        self.ends = lambda: self._leave_page((self.pc + 4) & ~0x0FFF_FFFF | place)


class HeavyEmitter(FunctionEmitter):
    """The function of an instruction that is called rather than inlined; its fields are its parameters."""

    def __init__(self, unit: Any, row: Insn) -> None:
        super().__init__(unit, "op_" + mangled(row), len(row.encoding.fields))
        self.row = row

    def build_row(self) -> str:
        if self.row.cp0:
            self.call(cp0.need_cp0)
        if self.row.fp:
            self.call(fpu.enter, self.const(self.row.fp.odd), self.const(self.row.fp.refusal))
        if self.row.bits == 64:
            self.require(self.state.ops64 != 0, "RI")
        if self.row.dsp:
            self.require(self.cp0.on(Status.MX), "DSPDis")
        if self.row.vector:
            for _ in self.when(self.state.vectors != 0):
                self.call(msa.refuse)
        fields = {f.name: Word(self, f"%a{n}") for n, f in enumerate(self.row.encoding.fields)}
        self.row.meaning(self, **fields)
        self.line("ret i64 0")
        return self.definition()

    def load(self, address: Word, size: int) -> Word:
        return self.call(memory.load, address, self.const(size))

    def store(self, address: Word, size: int, word: Word) -> None:
        self.call(memory.store, address, self.const(size), word)

    def load_unit(self, address: Word, size: int) -> Word:
        return self.call(memory.load_unit, address, self.const(size))

    def store_unit(self, address: Word, size: int, word: Word, mask: Word) -> None:
        self.call(memory.store_unit, address, self.const(size), word, mask)

    def load_linked(self, address: Word, size: int) -> Word:
        return self.call(memory.load_linked, address, self.const(size))

    def store_conditional(self, address: Word, size: int, word: Word) -> Word:
        return self.call(memory.store_conditional, address, self.const(size), word)


def mangled(row: Insn) -> str:
    """A name for LLVM that tells rows of one mnemonic apart."""
    return f"{row.name.replace('.', '_')}_{row.encoding.match:08x}_{row.since}"


def inline_handlers(unit: Any, row: Insn) -> Iterator[str]:
    """The handlers of a row that is not heavy: main and slot, with slow twins if it touches memory."""
    if row.control or row.compact:
        yield from _control_handlers(unit, row)
        return
    if row.cp0:
        raise Heavy                                    # may it be used at all? too long a question to be inlined
    if row.fp:
        yield from _guarded_handlers(unit, row, row.fp)
        return
    for flavour in (MAIN, SLOT):
        memory_row = False
        for slow in (False, True):
            m = InlineEmitter(unit, row, flavour, slow)
            m.need_right()
            row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
            m.go_on()
            memory_row = memory_row or m.touches_memory
            if slow and not memory_row:
                break
            yield m.definition(unit.handler_name(row, flavour, slow=slow))


def _guarded_handlers(unit: Any, row: Insn, needs: Needs) -> Iterator[str]:
    """Of an instruction of coprocessor 1: what the guard lets through, and a slow twin for all else."""
    for flavour in (MAIN, SLOT):
        m = InlineEmitter(unit, row, flavour, False)
        m.guard(needs)
        m.need_right()
        row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
        m.go_on()
        yield m.definition(unit.handler_name(row, flavour, slow=False))
    yield from heavy_handlers(unit, row, twin=True)


def _control_handlers(unit: Any, row: Insn) -> Iterator[str]:
    for near in (True, False) if row.off else (False,):
        m = ControlEmitter(unit, row, near)
        if row.fp:
            m.guard(row.fp)
        m.need_right()
        row.meaning(m, **{f.name: FieldRef(f) for f in row.encoding.fields})
        m.finish()
        yield m.definition(unit.control_name(row, near=near))


def heavy_handlers(unit: Any, row: Insn, *, twin: bool = False) -> Iterator[str]:
    """A function for what the row does, and handlers that call it; ``twin``: the slow ones of a row that has others."""
    body = HeavyEmitter(unit, row)
    yield body.build_row()
    for flavour in (MAIN, SLOT):
        m = InlineEmitter(unit, row, flavour, True)
        m.synchronise()
        state = m.state
        state.next_pc = state.target if flavour == SLOT else state.pc + 4
        fields = "".join(f", i64 {m.field(FieldRef(f)).text}" for f in row.encoding.fields)
        m.line(f"call i64 @{body.name}(ptr %st{fields})")
        m.leave_if_stopped()
        if row.system:
            state.pc, state.in_slot, state.ticks = state.next_pc, m.const(0), state.ticks + 1
            m.line("ret void")
        else:
            m.go_on()
        yield m.definition(unit.handler_name(row, flavour, slow=twin))


STATE_BYTES = OFFSET["size"] * 8
