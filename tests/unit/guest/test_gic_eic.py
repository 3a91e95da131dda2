"""EIC mode of the GIC: what it requests of cores, and a program in that mode on both engines."""
from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import Time, read, write
from tests.support.engines import ENGINES, mnemonics_of
from tests.support.many_cpus import BASE, DATA, END, GIC_AT, constant
from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import Cause, Config3
from vmm.arch.models import find_model
from vmm.guest.bare import BareSystem
from vmm.guest.board import MIB, find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.devices.gic import INTERRUPTS, LOCAL, OTHER, Gic
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment, parse_image
from vmm.guest.system import Request

VPS = 3
SMASK, MAP_PIN, MAP_VP = 0x380, 0x500, 0x2000
CTL, LOCAL_PEND, LOCAL_RMASK, LOCAL_SMASK, CHOICE, EICSS = 0x0, 0x4, 0xC, 0x10, 0x80, 0x100
MAPS = {"watchdog": (0, 0x40), "compare": (1, 0x44), "timer": (2, 0x48), "counters": (3, 0x50), "software 0": (4, 0x54),
        "software 1": (5, 0x58)}
"""Local interrupts: the bit of each, and where its map is."""
OWN = ("timer", "counters", "software 0", "software 1")
TO_PIN = 1 << 31


class Rig:
    def __init__(self) -> None:
        self.lines: set[tuple[int, int]] = set()
        self.there, self.levels, self.own = [False] * VPS, [0] * VPS, [[0] * 4] * VPS
        self.gic = Gic([Time().clock] * VPS, self.wire, cores=self)

    def wire(self, vp: int, pin: int, level: bool) -> None:
        (self.lines.add if level else self.lines.discard)((vp, pin))

    # -- the cores
    def show_controller(self, vp: int, there: bool) -> None:
        self.there[vp] = there

    def request(self, vp: int, level: int) -> None:
        assert self.there[vp]
        self.levels[vp] = level

    def set_own_levels(self, vp: int, levels: Sequence[int]) -> None:
        self.own[vp] = list(levels)

    def own_pending(self, vp: int) -> int:
        return 1 << 2 | vp << 4

    # -- software
    def local(self, at: int, value: int, vp: int = 0) -> None:
        self.gic.master = vp
        write(self.gic, LOCAL + at, value)

    def route(self, number: int, vp: int, pin: int) -> None:
        write(self.gic, MAP_PIN + 4 * number, TO_PIN | pin)
        write(self.gic, MAP_VP + 0x20 * number, 1 << vp)
        write(self.gic, SMASK + number // 32 * 4, 1 << number % 32)


def test_the_highest_pin_requests_its_number_and_one() -> None:
    rig = Rig()
    rig.local(CTL, 1, vp=1)
    assert rig.there == [False, True, False] and read(rig.gic, LOCAL + CTL) == 1
    for number, pin in ((1, 0), (2, 40), (3, 62), (4, 63)):
        rig.route(number, 1, pin)
    found = []
    for number, level in ((4, True), (1, True), (3, True), (2, True), (3, False), (2, False), (1, False)):
        rig.gic.set_line(number, level)
        found.append(rig.levels[1])
    assert found == [0, 1, 63, 63, 41, 1, 0] and not rig.lines


def test_lines_become_a_level_and_lines_again() -> None:
    rig = Rig()
    for number, vp in ((7, 0), (8, 2)):
        rig.route(number, vp, 4)
        rig.gic.set_line(number, True)
    assert rig.lines == {(0, 4), (2, 4)}
    rig.local(CHOICE, 2)
    write(rig.gic, OTHER + CTL, 1)                          # of VP 2, by VP 0
    assert (rig.lines, rig.levels) == ({(0, 4)}, [0, 0, 5])
    write(rig.gic, OTHER + CTL, 0)
    assert rig.lines == {(0, 4), (2, 4)} and rig.there == [False] * 3


def test_what_a_core_keeps_for_itself_is_routed_in_this_mode_only() -> None:
    rig = Rig()
    rig.local(LOCAL_RMASK, 0x7F)
    for n, name in enumerate(OWN):
        rig.local(MAPS[name][1], TO_PIN | 10 * n)
    rig.local(LOCAL_SMASK, 0x7F)
    assert rig.own[0] == [0] * 4 and read(rig.gic, LOCAL + LOCAL_PEND) == 0
    rig.local(CTL, 1)
    assert rig.own[0] == [1, 11, 21, 31] and read(rig.gic, LOCAL + LOCAL_PEND) == 1 << 2
    rig.local(LOCAL_RMASK, 1 << 3)
    assert rig.own[0] == [1, 0, 21, 31]
    rig.local(MAPS["software 1"][1], 1 << 30)               # no pin
    assert rig.own[0] == [1, 0, 21, 0]
    rig.local(MAPS["timer"][1], TO_PIN | 63)
    assert rig.own[0] == [0, 0, 21, 0]


def test_there_is_one_shadow_set() -> None:
    rig = Rig()
    for at in (EICSS, EICSS + 4 * 62):
        rig.local(at, 5)
        assert read(rig.gic, LOCAL + at) == 0


def test_a_restored_gic_tells_the_cores() -> None:
    rig, other = Rig(), Rig()
    rig.local(CTL, 1, vp=1)
    rig.local(LOCAL_SMASK, 0x7F, vp=1)
    rig.route(9, 1, 20)
    rig.gic.set_line(9, True)
    other.gic.restore(rig.gic.save())
    assert (other.there, other.levels, other.own[1]) == (rig.there, [0, 21, 0], [1] * 4)


operations = st.lists(st.tuples(st.sampled_from("clmspr"), st.integers(0, VPS - 1), st.integers(0, 0xFFFF_FFFF)),
                      max_size=60)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_levels_and_lines_are_what_the_registers_say(steps: list[tuple[str, int, int]]) -> None:
    """By a second reading, whatever software and lines have done."""
    rig = Rig()
    for kind, vp, value in steps:
        number = value >> 8 & 7
        match kind:
            case "c":
                rig.local(CTL, value, vp)
            case "l":
                rig.gic.set_line(number, bool(value & 1))
            case "m":
                rig.local(LOCAL_SMASK if value & 1 else LOCAL_RMASK, value >> 1, vp)
            case "p":
                rig.local(list(MAPS.values())[value >> 8 & 3][1], value & ~0xFF00, vp)
            case "s":
                rig.route(number, vp, value & 63)
            case _:
                rig.gic.master = vp
                read(rig.gic, LOCAL + LOCAL_PEND)
    state, gic = rig.gic.state, rig.gic
    for vp in range(VPS):
        pins = {state.pins[n] & 63 for n in range(INTERRUPTS) if gic.pending >> n & state.mask >> n & 1
                and state.vps[n] == 1 << vp and state.pins[n] & TO_PIN}
        external = bool(state.external >> vp & 1)
        assert rig.there[vp] == external
        assert {pin for of, pin in rig.lines if of == vp} == (set() if external else {pin for pin in pins if pin < 6})
        if external:
            assert rig.levels[vp] == max((pin + 1 for pin in pins if pin < 63), default=0)
            targets = [(read_own(gic, vp, name), state.local_mask[vp] >> MAPS[name][0] & 1) for name in OWN]
            assert rig.own[vp] == [(to & 63) + 1 if mask and to & TO_PIN and to & 63 < 63 else 0 for to, mask in targets]


def read_own(gic: Gic, vp: int, name: str) -> int:
    gic.master = vp
    return read(gic, LOCAL + MAPS[name][1])


# -- a program -----------------------------------------------------------------------------------------------------------
LOG, QUIET = DATA, DATA + 0x800
"""Of what came, a word each: vector and RIPL; and what a vector's handler stores where in the GIC."""
SHARED, SOFTWARE, COMPARE, TIMER = 20, 2, 5, 9
"""Pins: a shared interrupt's, a software interrupt's, the comparison's, that of the core's timer."""
QUIETENS = {SHARED + 1: (0x280, 40), SOFTWARE + 1: (LOCAL + LOCAL_RMASK, 1 << 4),
            COMPARE + 1: (LOCAL + LOCAL_RMASK, 1 << 1), TIMER + 1: (LOCAL + LOCAL_RMASK, 1 << 2)}


def log(register: int) -> str:
    return f"sw ${register}, 0($23)\naddiu $23, $23, 4\n"


def note(register: int, select: int = 0) -> str:
    return f"mfc0 $9, ${register}, {select}\n" + log(9)


def store(at: int, value: int) -> str:
    """To the GIC; offsets from 0x8000 on are negative ones from the local section."""
    return constant(8, value) + (f"sw $8, {at - LOCAL}($20)\n" if at >= LOCAL else f"sw $8, {at}($18)\n")


VECTORS = "".join(f".org {0x200 + 32 * vector}\nori $26, $0, {vector}\nb handler\nnop\n" for vector in sorted(QUIETENS))
MAPPED = {"software 0": SOFTWARE, "compare": COMPARE, "timer": TIMER}
SOURCE = f"""
    {VECTORS}
    .org 0x600
handler:                                # $26: the vector; by the table, store what quietens it
    mfc0 $27, $13, 0
    ext $27, $27, 10, 6
    sll $25, $26, 8
    or $27, $27, $25
    sw $27, 0($23)
    addiu $23, $23, 4
    {constant(25, BASE + QUIET)}
    sll $26, $26, 3
    addu $25, $25, $26
    lw $27, 0($25)
    addu $27, $27, $18
    lw $25, 4($25)
    sw $25, 0($27)
    ehb
    eret
    .org 0x1000
    {constant(16, 0xBFBF_8000)}
    {constant(8, GIC_AT | 1)}
    sd $8, 0x80($16)
    {constant(18, 0xA000_0000 | GIC_AT)}
    ori $20, $18, 0x8000
    {constant(23, BASE + LOG)}
    {constant(8, BASE)}
    mtc0 $8, $15, 1
    {constant(9, 0x1000_0000)}
    mtc0 $9, $12, 0
    ori $8, $0, 0x20
    mtc0 $8, $12, 1                     # IntCtl.VS
    {constant(8, Cause.IV.mask | Cause.IPsw.at(1))}
    mtc0 $8, $13, 0
    {note(16, 3)}
    {store(LOCAL + CTL, 1)}
    {note(16, 3)}
    {store(LOCAL + LOCAL_RMASK, 0x7F)}
    {"".join(store(LOCAL + MAPS[name][1], TO_PIN | pin) for name, pin in MAPPED.items())}
    {store(0x184, 1 << 8)}
    {store(MAP_PIN + 4 * 40, TO_PIN | SHARED)}
    {store(MAP_VP + 0x20 * 40, 1)}
    {store(SMASK + 4, 1 << 8)}
    {store(0x280, TO_PIN | 40)}
    mfc0 $8, $9, 0
    addiu $8, $8, 200
    mtc0 $8, $11, 0                     # Compare
    lw $8, 0x10($18)
    addiu $8, $8, 50
    sw $8, 0xa0($20)
    sw $0, 0xa4($20)
    ori $8, $0, 1000
all_come:
    addiu $8, $8, -1
    bnezc $8, all_come
    lw $9, 4($20)                       # PEND
    {log(9)}
    {store(LOCAL + LOCAL_SMASK, 0x16)}
    {note(13)}
    {constant(9, 0x1000_0001 | COMPARE + 1 << 10)}
    mtc0 $9, $12, 0                     # lets through what is above
    ehb
    {log(0)}
    {constant(9, 0x1000_0001)}
    mtc0 $9, $12, 0
    ehb
    {log(0)}
    mfc0 $8, $9, 0
    addiu $8, $8, 5000
    mtc0 $8, $11, 0
    {store(LOCAL + LOCAL_SMASK, 1 << 2)}
    wait
    ehb
    {log(0)}
    mtc0 $0, $12, 0                     # no more EIC mode: a line again
    ehb
    {store(MAP_PIN + 4 * 40, TO_PIN | 3)}
    {store(0x280, TO_PIN | 40)}
    {store(LOCAL + CTL, 0)}
    {note(16, 3)}
    {note(13)}
    {END}
    .org {QUIET}
    {"".join(f".org {QUIET + 8 * vector}{chr(10)}.word {at}, {value}{chr(10)}" for vector, (at, value) in
             sorted(QUIETENS.items()))}
    .org {QUIET + 0x800}
"""
WORDS = 20


def logged(engine: str, model: str, big_endian: bool) -> list[int]:
    code = assemble(SOURCE, rows=mnemonics_of(model), base=BASE, big_endian=big_endian).code
    image = executable([Segment(BASE, code, len(code))], entry=BASE + 0x1000, bits=64, big_endian=big_endian, release=6)
    system = BareSystem(Request(parse_image("eic", image), "bare", find_model(model), find_board("malta"), 32 * MIB,
                                engine=engine), MemoryConsole())
    system.run(100_000)
    assert system.ending is not None and not system.ending.fault
    return [system.machine.ram.load((BASE & 0x1FFF_FFFF) + LOG + 4 * n, 4) for n in range(WORDS)]


@pytest.mark.parametrize(("engine", "model", "big_endian"), [
    ("reference", "I6500", False), ("native", "I6500", False), ("native", "I6500", True), ("native", "I6400", False)])
def test_a_program_is_interrupted_by_level(engine: str, model: str, big_endian: bool) -> None:
    words = iter(logged(engine, model, big_endian))
    both = {pin: pin + 1 << 8 | pin + 1 for pin in (SHARED, SOFTWARE, COMPARE, TIMER)}
    assert [next(words) & Config3.VEIC.mask for _ in range(2)] == [0, Config3.VEIC.mask]
    assert next(words) == 1 << 1 | 1 << 2 | 1 << 4          # PEND: comparison, timer, software interrupt
    assert Cause.IPhw.of(next(words)) == SHARED + 1
    assert [next(words) for _ in range(3)] == [both[SHARED], both[TIMER], 0]
    assert [next(words) for _ in range(3)] == [both[COMPARE], both[SOFTWARE], 0]
    assert [next(words) for _ in range(2)] == [both[TIMER], 0]
    assert next(words) & Config3.VEIC.mask == 0
    assert Cause.IPhw.of(next(words)) & 1 << 3
    assert not any(words)


def test_the_engines_agree() -> None:
    assert set(ENGINES) == {"reference", "native"}
    assert logged("reference", "I6400", True) == logged("native", "I6400", True)
