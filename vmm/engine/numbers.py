"""The algebra with numbers: a meaning that is given ``Numbers`` is executed at once."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vmm.arch.exceptions import ExcCode
from vmm.arch.fp import Fcsr
from vmm.arch.privileged import fpu, memory
from vmm.arch.privileged.names import FETCH, LOAD, STORE, File, States
from vmm.arch.state import GUEST_FILE, OFFSET, ROOT_FILE
from vmm.arch.stops import Stop
from vmm.engine.exact import Round
from vmm.engine.number_words import MASK, Condition, Variable, Word, signed
from vmm.engine.reference_lanes import VectorWords
from vmm.engine.store import PAGE, Memory, State

PAGE_SHIFT = PAGE.bit_length() - 1


class Left(Exception):
    """An instruction ended before its end: ``state.trap`` or ``state.stop`` says why."""


class Registers:
    def __init__(self, m: Numbers) -> None:
        self.m = m

    def __getitem__(self, number: int) -> Word:
        return Word(self.m.words[number])

    def __setitem__(self, number: int, word: Word) -> None:
        if number:
            self.m.words[number] = int(word)


class FloatRegisters:
    """``fp32[f]``, ``fp64[f]``; while FR = 0 an odd single is the upper half of the even register before it."""

    def __init__(self, m: Numbers, width: int) -> None:
        self.m, self.width = m, width

    def _place(self, number: int) -> tuple[int, int]:
        """Slot, and how far up in it."""
        odd = int(self.width == 32 and number & 1 and bool(self.m.state.fp_odd))
        return OFFSET["fpr"] + 2 * (number - odd), 32 * odd

    def __getitem__(self, number: int) -> Word:
        slot, up = self._place(number)
        return Word(self.m.words[slot] >> up & (1 << self.width) - 1)

    def __setitem__(self, number: int, word: Word) -> None:
        slot, up = self._place(number)
        mask = (1 << self.width) - 1
        self.m.words[slot] = self.m.words[slot] & ~(mask << up) | (int(word) & mask) << up


class Numbers(VectorWords):
    """``m`` for one CPU."""

    def __init__(self, state: State, big_endian: bool, memory_of_machine: Memory) -> None:
        self.words, self.big_endian, self._memory = state.words, big_endian, memory_of_machine
        self._order = "big" if big_endian else "little"
        self.state = States(self)
        self.gpr = Registers(self)
        self.fp32, self.fp64 = FloatRegisters(self, 32), FloatRegisters(self, 64)
        self.root, self.guest = File(self, ROOT_FILE), File(self, GUEST_FILE)
        self._last = Condition(False)
        self.pages: dict[tuple[int, int], int] = {}    # (virtual page, access) -> host page, for a short time
        self.taken: tuple[Word, bool] | None = None    # where to go after the slot, and whether the slot is executed
        self.off_width, self.link_distance = 16, 8     # of the branch that is executed

    # -- state --------------------------------------------------------------------------------------------------------
    def slot(self, number: int) -> Word:
        return Word(self.words[int(number)])

    def set_slot(self, number: int, word: int) -> None:
        self.words[int(number)] = int(word) & MASK

    @property
    def cp0(self) -> File:
        return File(self, int(self.state.base))

    @property
    def pc(self) -> Word:
        return self.slot(OFFSET["pc"])

    @property
    def hi(self) -> Word:
        return self.slot(OFFSET["hi"])

    @hi.setter
    def hi(self, word: Word) -> None:
        self.set_slot(OFFSET["hi"], word)

    @property
    def lo(self) -> Word:
        return self.slot(OFFSET["lo"])

    @lo.setter
    def lo(self, word: Word) -> None:
        self.set_slot(OFFSET["lo"], word)

    # -- Words --------------------------------------------------------------------------------------------------------
    def const(self, number: int) -> Word:
        return Word(number & MASK)

    def unsigned(self, x: int, width: int) -> Word:
        return Word(int(x) & (1 << width) - 1)

    def signed(self, x: int, width: int) -> Word:
        sign = 1 << width - 1
        return Word((int(x) & (sign << 1) - 1 ^ sign) - sign & MASK)

    def word(self, x: int) -> Word:
        return self.signed(x, 32)

    def flag(self, condition: Condition) -> Word:
        return Word(int(condition.holds))

    def select(self, condition: Condition, yes: int, no: int) -> Word:
        return Word(int(yes if condition.holds else no) & MASK)

    def leading_zeros(self, x: Word) -> Word:
        return Word(64 - int(x).bit_length())

    def high_signed(self, a: Word, b: Word) -> Word:
        return Word(signed(a) * signed(b) >> 64 & MASK)

    def high_unsigned(self, a: Word, b: Word) -> Word:
        return Word(int(a) * int(b) >> 64)

    def divide_signed(self, a: Word, b: Word) -> tuple[Word, Word]:
        x, y = signed(a), signed(b)
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        return Word(quotient & MASK), Word(x - quotient * y & MASK)

    def divide_unsigned(self, a: Word, b: Word) -> tuple[Word, Word]:
        return Word(int(a) // int(b)), Word(int(a) % int(b))

    def table(self, numbers: tuple[int, ...], index: Word) -> Word:
        return Word(numbers[int(index)])

    def lane(self, address: Word, size: int) -> Word:
        byte = address & size - 1
        return byte if self.big_endian else byte ^ size - 1

    # -- floating point -----------------------------------------------------------------------------------------------
    def fp_raw(self, name: str, *words: int) -> Word:
        fcsr = int(self.state.fcsr)
        modes = Round(fcsr & Fcsr.RM, bool(fcsr & Fcsr.FS), bool(fcsr & Fcsr.NAN2008))
        result = modes.operate(name, *map(int, words))
        self.state.fp_flags |= int(modes.flags)
        return Word(result)

    def fp(self, name: str, *words: int) -> Word:
        return fpu.arithmetic(self, name, *words)  # type: ignore[no-any-return]

    def fp_holds(self, name: str, relations: int, a: int, b: int) -> Condition:
        return (self.fp(name, a, b) & relations) != 0

    def fp_settle(self) -> None:
        """Nothing is owed."""

    # -- control flow -------------------------------------------------------------------------------------------------
    def when(self, condition: Condition) -> Iterator[None]:
        if condition.holds:
            yield
        self._last = condition

    def otherwise(self) -> Iterator[None]:
        return self.when(~self._last)

    def repeat(self, test: Callable[[], Condition]) -> Iterator[None]:
        while test().holds:
            yield

    def var(self, word: int) -> Variable:
        return Variable(Word(int(word) & MASK))

    def call(self, function: Callable[..., Any], *words: int) -> Any:
        return function(self, *(Word(int(w) & MASK) for w in words))

    # -- traps and stops ----------------------------------------------------------------------------------------------
    def trap_code(self, code: int) -> None:
        self.state.trap = int(code) + 1
        raise Left

    def trap(self, name: str) -> None:
        self.trap_code(ExcCode[name])

    def require(self, condition: Condition, name: str) -> None:
        if not condition.holds:
            self.trap(name)

    def leave_with(self, stop: Stop) -> None:
        self.state.stop = int(stop)
        raise Left

    def door(self, number: Word) -> None:
        self.state.stop_code = number
        self.leave_with(Stop.DOOR)

    def tell_others(self, address: Word, how: Word) -> None:
        self.state.stop_address, self.state.stop_code = address, how
        self.leave_with(Stop.GLOBAL_INVALIDATE)

    # -- memory -------------------------------------------------------------------------------------------------------
    def load(self, address: Word, size: int) -> Word:
        page = self.pages.get((address >> PAGE_SHIFT, LOAD))
        if page is not None and not int(address) % size:
            return self.peek(Word(page | address % PAGE), size)
        return self.call(memory.load, address, size)  # type: ignore[no-any-return]

    def store(self, address: Word, size: int, word: Word) -> None:
        page = self.pages.get((address >> PAGE_SHIFT, STORE))
        if page is not None and not int(address) % size:
            self.poke(Word(page | address % PAGE), size, word)
            return
        self.call(memory.store, address, size, word)

    def load_unit(self, address: Word, size: int) -> Word:
        return self.call(memory.load_unit, address, size)  # type: ignore[no-any-return]

    def store_unit(self, address: Word, size: int, word: Word, mask: Word) -> None:
        self.call(memory.store_unit, address, size, word, mask)

    def load_linked(self, address: Word, size: int) -> Word:
        return self.call(memory.load_linked, address, size)  # type: ignore[no-any-return]

    def store_conditional(self, address: Word, size: int, word: Word) -> Word:
        return self.call(memory.store_conditional, address, size, word)  # type: ignore[no-any-return]

    def peek(self, host: Word, size: int) -> Word:
        at = int(host) - self._memory.block.address
        return Word(int.from_bytes(self._memory.block.bytes[at:at + int(size)], self._order))  # type: ignore[arg-type]

    def poke(self, host: Word, size: int, word: Word) -> None:
        at, n = int(host) - self._memory.block.address, int(size)
        data = (int(word) & (1 << 8 * n) - 1).to_bytes(n, self._order)  # type: ignore[arg-type]
        self._memory.block.bytes[at:at + n] = data

    def remember(self, va: Word, host: Word, rights: Word) -> None:
        if not self.state.watch_count:
            for access in (LOAD, STORE):
                if rights >> access & 1:
                    self.pages[va >> PAGE_SHIFT, access] = host & -PAGE

    def fetch(self) -> Word:
        """The instruction at pc."""
        pc = int(self.state.pc)
        page = self.pages.get((pc >> PAGE_SHIFT, FETCH))
        if page is None or pc % 4:
            page = memory.fetch(self) & -PAGE
            if not self.state.careful:
                self.pages[pc >> PAGE_SHIFT, FETCH] = page
        return self.peek(Word(page | pc % PAGE), 4)

    def forget_pages(self, vpn: Word, mask: Word, guest: Word) -> None:
        self.pages.clear()

    def forget_every_page(self) -> None:
        self.pages.clear()

    def forget_owned(self, entry: Word) -> None:
        self.pages.clear()

    def forget_at_siblings(self, entry: Word) -> None:
        """What they remember ends before they run again."""

    # -- branches -----------------------------------------------------------------------------------------------------
    def branch(self, condition: Condition, off: int) -> None:
        self.taken = (self.pc + 4 + self.signed(off, 16).shl(2) if condition.holds else self.pc + 8), True

    def branch_likely(self, condition: Condition, off: int) -> None:
        if condition.holds:
            self.branch(condition, off)
        else:
            self.taken = self.pc + 8, False

    def jump(self, target: Word) -> None:
        self.taken = target, True

    def jump_region(self, target: int) -> None:
        self.jump((self.pc + 4) & ~0x0FFF_FFFF | self.unsigned(target, 26).shl(2))

    def compact_branch(self, condition: Condition, off: int) -> None:
        if condition.holds:
            self.compact_jump(self.pc + 4 + self.signed(off, self.off_width).shl(2))

    def compact_jump(self, target: Word) -> None:
        self.taken = (self.word(target) if self.state.wrap != 0 else target), False

    def link(self, number: int) -> None:
        self.gpr[number] = self.pc + self.link_distance
