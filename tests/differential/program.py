"""A ROM made of numbered cases: each sets up, does something, and is logged, whether it faults or not.

Every exception vector, in RAM and in the ROM, leads to one handler, which logs the vector, the registers that an
exception leaves, and register 8, and goes on with the next case.  A case is assembly; it may use registers 8 to 15 and
24, 25.  ``log RT`` appends a register.  Register 23 holds the address of the next case, 28 the end of the log.
"""
from __future__ import annotations

from vmm.arch.assembler import assemble
from vmm.arch.text import Mnemonics

RAM_CODE = 0x8000_2000
CASES_AT = 0x8001_0000
LOG_AT = 0x8080_0000
PATTERN_AT, PATTERN_END = 0x8010_0000, 0x8020_0000
"""Each word of this memory holds its own physical address."""
STUB_AT = 0x8000_8000
"""Two pages of RAM that cases may map and execute."""
CALM_STATUS = 0x1000_0000
VECTORS = range(0, 0x1400, 0x20)
BOOT_VECTORS = range(0x200, 0x500, 0x80)
CASE_MARK = 0xCA5E_0000
LEFT_BY_EXCEPTIONS = {"Cause": (13, 0), "EPC": (14, 0), "BadVAddr": (8, 0), "Status": (12, 0), "EntryHi": (10, 0),
                      "Context": (4, 0)}


class Program:
    """``case(name, text)`` adds one; ``words()`` is the ROM; ``read(log)`` gives name -> words."""

    def __init__(self, mnemonics: Mnemonics, bits: int, big_endian: bool, calm_status: int = CALM_STATUS,
                 prologue: str = "") -> None:
        self.mnemonics = mnemonics
        self.bits, self.big_endian, self.calm, self.prologue = bits, big_endian, calm_status, prologue
        self.left = dict(LEFT_BY_EXCEPTIONS)
        self.names: list[str] = []
        self._text: list[str] = []

    @property
    def word_bytes(self) -> int:
        return 8 if self.bits == 64 else 4

    def log(self, register: int) -> str:
        store = "sd" if self.bits == 64 else "sw"
        return f"{store} ${register}, 0($28)\naddiu $28, $28, {self.word_bytes}\n"

    def move_from(self, rt: int, rd: int, sel: int) -> str:
        return f"{'dmfc0' if self.bits == 64 else 'mfc0'} ${rt}, ${rd}, {sel}\n"

    def load(self, register: int, value: int) -> str:
        """A constant, in as many instructions as it takes; one of 32 bits is sign-extended."""
        value &= (1 << 64) - 1
        if self.bits == 32 or value >> 32 == 0 or _extended(value):
            return f"lui ${register}, {value >> 16 & 0xFFFF}\nori ${register}, ${register}, {value & 0xFFFF}\n"
        parts = [value >> n & 0xFFFF for n in (48, 32, 16, 0)]
        text = f"lui ${register}, {parts[0]}\nori ${register}, ${register}, {parts[1]}\n"
        for part in parts[2:]:
            text += f"dsll ${register}, ${register}, 16\nori ${register}, ${register}, {part}\n"
        return text

    def case(self, name: str, text: str, after: str = "") -> None:
        """``after`` is done, exception or not, before the next case."""
        n = len(self.names)
        self.names.append(name)
        body = text.replace("LOCAL", f"c{n}").replace("NEXT", f"next{n}")
        lines = [f"la $23, next{n}", self.load(8, CASE_MARK | n), self.log(8), self.load(8, 0), body,
                 f"next{n}:", after, self.restore()]
        self._text.append("\n".join(lines))

    def restore(self) -> str:
        return self.load(26, self.calm) + "mtc0 $26, $12\nehb\n"

    # -- the ROM -------------------------------------------------------------------------------------------------------
    def _handler(self) -> str:
        text = [self.log(27)]
        for rd, sel in self.left.values():
            text += [self.move_from(26, rd, sel), self.log(26)]
        text += [self.log(8), self.restore(), "jr $23\nnop\n"]
        return "\n".join(text)

    def _ram(self) -> str:
        """Code that is copied to RAM: vectors, handler, cases, and the end."""
        lines = []
        for at in VECTORS:
            lines += [f".org {at}", "j handler", f"ori $27, $0, {at}"]
        lines += [f".org {RAM_CODE - 0x8000_0000}", "handler:", self._handler(),
                  f".org {CASES_AT - 0x8000_0000}", *self._text, self._print()]
        return "\n".join(lines)

    def _print(self) -> str:
        return f"""
            {self.load(9, LOG_AT)}
            lui $10, 0xBF00
        byte:
            lbu $11, 0($9)
        busy:
            lbu $12, 0x928($10)
            andi $12, $12, 0x20
            beq $12, $0, busy
            nop
            sb $11, 0x900($10)
            addiu $9, $9, 1
            bne $9, $28, byte
            nop
        drain:
            lbu $12, 0x928($10)
            andi $12, $12, 0x40
            beq $12, $0, drain
            nop
            ori $12, $0, 0x42
            sw $12, 0x500($10)
        stop:
            b stop
            nop
        """

    def _rom(self, copied: int) -> str:
        boot = ["b start", "nop"]                        # then the word that holds the board's number
        for at in BOOT_VECTORS:
            boot += [f".org {at}", self.load(26, RAM_CODE), "jr $26", f"ori $27, $0, {at | 0x8000}"]
        boot += [f".org {0x600}", "start:", self._start(copied)]
        return "\n".join(boot)

    def _start(self, copied: int) -> str:
        return f"""
            {self.restore()}
            {self.load(9, 0xBFC0_1000)}
            {self.load(10, 0x8000_0000)}
            {self.load(11, 0x8000_0000 + copied)}
        copy:
            lw $12, 0($9)
            sw $12, 0($10)
            addiu $9, $9, 4
            addiu $10, $10, 4
            bne $10, $11, copy
            nop
            {self.load(9, PATTERN_AT & 0x1FFF_FFFF)}
            {self.load(10, PATTERN_AT)}
            {self.load(11, PATTERN_END)}
        fill:
            sw $9, 0($10)
            addiu $9, $9, 4
            addiu $10, $10, 4
            bne $10, $11, fill
            nop
            {self.load(28, LOG_AT)}
            {self.prologue}
            {self.load(9, CASES_AT)}
            jr $9
            nop
        """

    def words(self) -> list[int]:
        ram = self._assembled(self._ram(), 0x8000_0000)
        rom = self._assembled(self._rom(4 * len(ram)), 0xBFC0_0000)
        return rom + [0] * (0x400 - len(rom)) + ram

    def _assembled(self, text: str, base: int) -> list[int]:
        address = base if self.bits == 32 else base | 0xFFFF_FFFF << 32
        code = assemble(text, rows=self.mnemonics, base=address, big_endian=True).code
        return [int.from_bytes(code[n:n + 4], "big") for n in range(0, len(code), 4)]

    # -- the log -------------------------------------------------------------------------------------------------------
    def read(self, log: bytes) -> dict[str, tuple[int, ...]]:
        size = self.word_bytes
        order = "big" if self.big_endian else "little"
        words = [int.from_bytes(log[n:n + size], order) for n in range(0, len(log) - size + 1, size)]  # type: ignore[arg-type]
        found: dict[str, tuple[int, ...]] = {}
        expected, start = 0, None
        for at, word in enumerate([*words, None]):
            ends = word is None or (expected < len(self.names) and word & 0xFFFF_FFFF == CASE_MARK | expected)
            if ends:
                if start is not None:
                    found[self.names[expected - 1]] = tuple(words[start:at])
                start, expected = at + 1, expected + 1
        return found


def _extended(value: int) -> bool:
    return value >> 31 in (0, (1 << 33) - 1)
