"""Programs that run one body many times over registers by chance, on our engines and on Unicorn.

The table has a row for each time: a slot of 8 bytes for each register.  The frame around the body loads all registers
from the row, and stores in their place what the body left; so tables and data say all that a run did.
Invariant: one program is the same words on both machines, and follows from core, kind and seed alone.
"""
from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Literal

from tests.support.bodies import BASE, DATA_SIZE, INDEX, INDEX_VALUE, Body, Core, tree_of
from tests.support.engines import encode
from tests.support.floats import operand
from tests.support.vectors import control, numbers, vector
from vmm.arch.cp0.registers import Config5, Status, sign_extended
from vmm.arch.fp import Fcsr
from vmm.arch.models import find_model
from vmm.arch.rows import RELEASE_6
from vmm.arch.text import disassemble

KSEG0 = sign_extended(0x8000_0000)
CODE, DATA, TABLE, MEMORY = 0x4000, 0x8000, 0xA000, 0x4_0000
ROW, COUNT = 17, 18
"""Registers of the frame: the table's row, how many rows are left; $24 and $25 for anything."""
SPARE = 16
"""Bytes of data behind what a body addresses: for LWL and its like."""
POOL = 1 << 12
EDGES = (0, 1, (1 << 64) - 1, 0x7FFF_FFFF, sign_extended(0x8000_0000), 0x80, 0xFF, 0x8000, 1 << 63, (1 << 63) - 1)
DSP_EDGES = (0x7FFF_7FFF, 0x8000_8000, 0x8080_8080, 0x0001_8000, 0x00FF_00FF, 0x7FFF_8000)


@dataclass(frozen=True)
class Slot:
    """A register: what is in it by chance, and how it is loaded and stored; ``@`` stands for its place in the row.

    A "word" is in both halves, as a big-endian load of 4 bytes reads the first.
    """
    name: str
    holds: str
    load: tuple[str, ...]
    store: tuple[str, ...]
    size: int = 8


@cache
def slots(core: Core, kind: str, wide: bool) -> tuple[Slot, ...]:
    load, store, holds = ("lw", "sw", "word") if core.bits == 32 else ("ld", "sd", "double")
    into, out = f"{load} $24, @($17)", f"{store} $24, @($17)"
    found = [Slot("FCSR", "fcsr", (into, "ctc1 $24, $31"), ("cfc1 $24, $31", out))] if kind == "float" else []
    if kind == "float":
        found += [Slot(f"$f{n}", "float", (f"ldc1 $f{n}, @($17)",), (f"sdc1 $f{n}, @($17)",))
                  for n in range(0, 32, 1 if wide else 2)]
    if kind == "msa":
        found += [Slot("MSACSR", "msacsr", (into, "ctcmsa $1, $24"), ("cfcmsa $24, $1", out))]
        found += [Slot(f"$w{n}", "vector", (f"ld.d $w{n}, @($17)",), (f"st.d $w{n}, @($17)",), 16) for n in range(32)]
    accumulators = 0 if core.release >= RELEASE_6 else 4 if kind == "dsp" else 1
    for n in range(accumulators):
        which = f", $ac{n}" if n else ""
        found += [Slot(f"{half}{n}", holds, (into, f"mt{half} $24{which}"), (f"mf{half} $24{which}", out))
                  for half in ("hi", "lo")]
    if kind == "dsp":
        found.append(Slot("DSPControl", "word", (into, "wrdsp $24, 0x3f"), ("rddsp $24, 0x3f", out)))
    found += [Slot(f"${n}", holds, (f"{load} ${n}, @($17)",), (f"{store} ${n}, @($17)",)) for n in range(1, 16)]
    return tuple(found)


def places(found: tuple[Slot, ...]) -> list[int]:
    return [sum(slot.size for slot in found[:n]) for n in range(len(found))]


def row_size(found: tuple[Slot, ...]) -> int:
    return sum(slot.size for slot in found)


@cache
def set_up(core: Core, kind: str, wide: bool, count: int) -> tuple[int, ...]:
    """Kernel mode without exception level; what the kind needs switched on; the frame's registers."""
    status = Status.BEV.mask | (0xE0 if core.bits == 64 else 0)
    if kind in ("float", "msa"):
        status |= Status.CU1.mask | Status.FR.mask * wide
    lines = []
    if kind == "dsp":
        status |= Status.MX.mask
    elif kind == "msa":
        lines = ["mfc0 $24, $16, 5", f"lui $25, {Config5.MSAEn.mask >> 16}", "or $24, $24, $25", "mtc0 $24, $16, 5"]
    for register, value in ((24, status), (BASE, KSEG0 + DATA), (ROW, KSEG0 + TABLE)):
        lines += [f"lui ${register}, {value >> 16 & 0xFFFF}", f"ori ${register}, ${register}, {value & 0xFFFF}"]
        lines += ["mtc0 $24, $12", "ehb"] if register == 24 else []
    lines += [f"ori ${COUNT}, $0, {count}", f"ori ${INDEX}, $0, {INDEX_VALUE}"]
    return tuple(encode(core.name, line) for line in lines)


@cache
def loads(core: Core, kind: str, wide: bool) -> tuple[int, ...]:
    found = slots(core, kind, wide)
    return tuple(encode(core.name, line.replace("@", str(at)))
                 for slot, at in zip(found, places(found), strict=True) for line in slot.load)


@cache
def stores(core: Core, kind: str, wide: bool) -> tuple[int, ...]:
    found = slots(core, kind, wide)
    lines = [line.replace("@", str(at)) for slot, at in zip(found, places(found), strict=True) for line in slot.store]
    lines += [f"addiu ${ROW}, ${ROW}, {row_size(found)}", f"addiu ${COUNT}, ${COUNT}, -1"]
    return tuple(encode(core.name, line) for line in lines)


@cache
def pools() -> dict[str, list[bytes]]:
    """Values by chance, the ends of the ranges often enough; little-endian slots."""
    r = Random(7)
    words = [lambda: r.choice(EDGES), lambda: r.choice(DSP_EDGES), lambda: r.getrandbits(64), lambda: r.getrandbits(32),
             lambda: sign_extended(r.getrandbits(32)), lambda: r.getrandbits(r.randrange(1, 64)), lambda: r.getrandbits(4)]
    doubles = [r.choice(words)() for _ in range(POOL)]
    return {"double": [value.to_bytes(8, "little") for value in doubles],
            "word": [2 * (value & 0xFFFF_FFFF).to_bytes(4, "little") for value in doubles],
            "float": [floating(r).to_bytes(8, "little") for _ in range(POOL)],
            "vector": [r.choice((vector, numbers))(r) for _ in range(POOL)]}


def floating(r: Random) -> int:
    """A double, or two singles, or an integer."""
    letter = r.choice("dddsssswl")
    return operand(r, letter) if letter in "dl" else operand(r, letter) | operand(r, letter) << 32


def fcsr(core: Core, r: Random) -> int:
    """To nearest half of the time; no Enables, no unimplemented operation, and no FS (see ``unicorn_known``)."""
    modes = r.choice((0, 0, 0, 1, 2, 3))
    flags = r.getrandbits(32) & (Fcsr.FLAGS | Fcsr.CAUSE & Fcsr.CAUSE >> 1)
    conditions = r.getrandbits(32) & 0xFE00_0000 | r.choice((0, Fcsr.FCC0))
    return (modes | flags | conditions) & find_model(core.name).fcsr_writable


def table(core: Core, kind: str, wide: bool, r: Random, count: int) -> bytes:
    """``count`` rows, in the machine's order."""
    columns = []
    for slot in slots(core, kind, wide):
        if slot.holds in pools():
            columns.append(r.choices(pools()[slot.holds], k=count))
        else:
            values = [fcsr(core, r) if slot.holds == "fcsr" else control(r) & ~Fcsr.FS for _ in range(count)]
            columns.append([(value << 32 | value).to_bytes(8, "little") for value in values])
    parts = b"".join(b"".join(row) for row in zip(*columns, strict=True))
    words = struct.unpack(f"<{len(parts) // 8}Q", parts)
    return struct.pack(f"{'>' if core.big_endian else '<'}{len(words)}Q", *words)


@dataclass(frozen=True)
class Program:
    """``body``: the words; ``chosen``: how many of them chance chose."""
    core: Core
    kind: str
    seed: int
    wide: bool
    count: int
    body: tuple[int, ...]
    chosen: int
    table: bytes
    data: bytes

    @property
    def order(self) -> Literal["big", "little"]:
        return "big" if self.core.big_endian else "little"

    def words(self) -> list[int]:
        before = (*loads(self.core, self.kind, self.wide), *self.body, *stores(self.core, self.kind, self.wide))
        back = encode(self.core.name, "bne $18, $0, .+0") & 0xFFFF_0000 | -(len(before) + 1) & 0xFFFF
        return [*set_up(self.core, self.kind, self.wide, self.count), *before, back, 0]

    def code(self) -> bytes:
        words = self.words()
        return struct.pack(f"{'>' if self.core.big_endian else '<'}{len(words)}I", *words)

    @property
    def frame(self) -> int:
        """Instructions of a run that are not the body's."""
        start = len(set_up(self.core, self.kind, self.wide, self.count))
        return start + self.count * (len(self.words()) - len(self.body) - start)

    def slot_at(self, name: str, time: int) -> int:
        """Where the table has this register of this time, counted from 0."""
        found = slots(self.core, self.kind, self.wide)
        return time * row_size(found) + dict(zip((slot.name for slot in found), places(found), strict=True))[name]

    def listing(self) -> list[str]:
        start = len(set_up(self.core, self.kind, self.wide, self.count)) + len(loads(self.core, self.kind, self.wide))
        return [f"{KSEG0 + CODE + 4 * n & 0xFFFF_FFFF:08x}  {word:08x}  "
                + disassemble(word, KSEG0 + CODE + 4 * n, tree=tree_of(self.core.name))
                for n, word in enumerate(self.body, start)]


def make(core: Core, kind: str, seed: int, *, length: int, count: int, without: frozenset[str]) -> Program:
    """The program of a seed."""
    r = Random(f"{core} {kind} {seed}")
    wide = core.release >= RELEASE_6 or kind == "msa" or r.random() < 0.5
    start = KSEG0 + CODE + 4 * len(set_up(core, kind, wide, count) + loads(core, kind, wide))
    body = Body(core, kind, r, start=start, length=length, wide=wide, without=without)
    return Program(core, kind, seed, wide, count, tuple(body.words), body.chosen, table(core, kind, wide, r, count),
                   r.randbytes(DATA_SIZE + SPARE))


def first_difference(program: Program, ours: bytes, theirs: bytes) -> str:
    """The first register that differs, and those that the listing names as they were at first."""
    found = slots(program.core, program.kind, program.wide)
    size, end = row_size(found), len(program.table)
    at = next(n for n in range(len(ours)) if ours[n] != theirs[n])

    def shown(memory: bytes, at: int, size: int = 8) -> str:
        at &= -8
        return " ".join(f"{int.from_bytes(memory[n:n + 8], program.order):016x}" for n in range(at, at + size, 8))
    if at >= end:
        return f"data at {at - end:#x}: ours {shown(ours, at)} theirs {shown(theirs, at)}"
    row, place = divmod(at, size)
    named = set(re.findall(r"\$\w+", " ".join(program.listing()))) | {"FCSR", "MSACSR", "hi0", "lo0", "DSPControl"}
    lines = []
    for slot, start in zip(found, places(found), strict=True):
        here = row * size + start
        if start <= place < start + slot.size:
            lines.insert(0, f"{slot.name}, time {row + 1}: ours {shown(ours, here, slot.size)} "
                            f"theirs {shown(theirs, here, slot.size)}")
        if slot.name in named:
            lines.append(f"  {slot.name} was {shown(program.table, here, slot.size)}")
    return "\n".join(lines)
