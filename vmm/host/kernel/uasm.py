"""A macro assembler in memory: lines of text and labels become words at an address.

The kernel makes its world switch and refill handlers with it, as the original does with its own (EN-1..EN-15).
Every line is one instruction that ``vmm.arch.text`` encodes; a label is an address; nothing is optimised.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

NOP = 0
"""SLL $0, $0, 0: four fifths of a kernel's code, between its vectors."""
AssembleLine = Callable[[str, int, dict[str, int]], int]
"""(instruction, its address, symbols) -> word."""


@dataclass(frozen=True, slots=True)
class Code:
    """Assembled words, what they were made from, and the labels."""

    address: int
    words: tuple[int, ...]
    lines: tuple[str, ...]
    symbols: dict[str, int]

    def listing(self) -> str:
        """For people: address, word, text, with the labels in between."""
        names = {address: name for name, address in self.symbols.items()}
        out: list[str] = []
        for index, (word, line) in enumerate(zip(self.words, self.lines, strict=True)):
            at = self.address + 4 * index
            if at in names:
                out.append(f"{names[at]}:")
            out.append(f"  {at & 0xFFFFFFFF:08x}  {word:08x}  {line}")
        return "\n".join(out)


@dataclass(slots=True)
class Assembly:
    """Code under construction at ``address``; ``word`` is the size of a long in bytes, 4 or 8."""

    address: int
    word: int
    lines: list[str] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)

    @property
    def here(self) -> int:
        return self.address + 4 * len(self.lines)

    def label(self, name: str) -> None:
        if name in self.symbols:
            raise ValueError(f"label {name} defined twice; give the second one another name")
        self.symbols[name] = self.here

    def emit(self, *lines: str) -> None:
        self.lines += lines

    def org(self, offset: int) -> None:
        """Go on at ``address + offset``; what is skipped becomes NOPs."""
        gap = self.address + offset - self.here
        if gap < 0:
            raise ValueError(f"code ran {-gap} bytes past offset {offset:#x}; move what follows")
        self.lines += ["nop"] * (gap // 4)

    # What differs between hosts with 32-bit and 64-bit longs.

    def load(self, rt: str, offset: int, base: str) -> None:
        self.emit(f"{'ld' if self.word == 8 else 'lw'} {rt}, {offset}({base})")

    def store(self, rt: str, offset: int, base: str) -> None:
        self.emit(f"{'sd' if self.word == 8 else 'sw'} {rt}, {offset}({base})")

    def add(self, rd: str, rs: str, rt: str) -> None:
        self.emit(f"{'daddu' if self.word == 8 else 'addu'} {rd}, {rs}, {rt}")

    def add_immediate(self, rt: str, rs: str, value: int) -> None:
        self.emit(f"{'daddiu' if self.word == 8 else 'addiu'} {rt}, {rs}, {value}")

    def move(self, rd: str, rs: str) -> None:
        self.emit(f"or {rd}, {rs}, $zero")

    def from_cp0(self, rt: str, register: tuple[int, int]) -> None:
        self.emit(f"{'dmfc0' if self.word == 8 else 'mfc0'} {rt}, {cp0_name(register)}")

    def to_cp0(self, rt: str, register: tuple[int, int]) -> None:
        self.emit(f"{'dmtc0' if self.word == 8 else 'mtc0'} {rt}, {cp0_name(register)}")

    def from_cp0_word(self, rt: str, register: tuple[int, int]) -> None:
        self.emit(f"mfc0 {rt}, {cp0_name(register)}")

    def to_cp0_word(self, rt: str, register: tuple[int, int]) -> None:
        self.emit(f"mtc0 {rt}, {cp0_name(register)}")

    def load_word(self, rt: str, value: int) -> None:
        """A 32-bit constant, sign-extended on a 64-bit host; so are kseg0 addresses."""
        high, low = value >> 16 & 0xFFFF, value & 0xFFFF
        self.emit(f"lui {rt}, {high}")
        if low:
            self.emit(f"ori {rt}, {rt}, {low}")

    def finish(self, assemble_line: AssembleLine) -> Code:
        words = tuple(NOP if line == "nop" else assemble_line(line, self.address + 4 * i, self.symbols)
                      for i, line in enumerate(self.lines))
        return Code(self.address, words, tuple(self.lines), dict(self.symbols))


def cp0_name(register: tuple[int, int]) -> str:
    """A CP0 register as the assembler writes it."""
    number, select = register
    return f"${number}, {select}" if select else f"${number}"
