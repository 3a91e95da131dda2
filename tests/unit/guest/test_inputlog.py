"""What is typed goes through the input log, and who enters it again at the same ticks gets the same run."""
from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.support.engines import encode
from vmm.cli.choose import make_system, request
from vmm.guest.console import MemoryConsole
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment, parse_image
from vmm.guest.inputlog import Input, InputLog
from vmm.guest.placement import Mode
from vmm.guest.system import System

SEED = 7
NOP = 0
ECHO = [encode("24Kf", line) for line in (                  # every key comes back, and how often was looked for it
    "lui $t1, 0xb800", "addiu $t2, $t2, 1", "lbu $t0, 0x3fd($t1)", "andi $t0, $t0, 1")] + [
    0x1100_FFFC, NOP] + [encode("24Kf", line) for line in (
        "lbu $t0, 0x3f8($t1)", "sb $t0, 0x3f8($t1)", "sb $t2, 0x3f8($t1)")] + [0x1000_FFF7, NOP]


def machine(mode: Mode) -> tuple[System, MemoryConsole]:
    data = b"".join(word.to_bytes(4, "little") for word in ECHO)
    image = parse_image("echo", executable([Segment(0x8010_0000, data, len(data))], entry=0x8010_0000, bits=32))
    console = MemoryConsole()
    plain = request(mode=mode, engine="reference", memory="16M")
    return make_system(replace(plain, image=image), console), console


@pytest.mark.parametrize("mode", ["bare", "vz"])
def test_a_run_is_its_input(mode: Mode) -> None:
    r = Random(SEED)
    system, console = machine(mode)
    system.board.input.keep(100)
    for _ in range(8):
        system.run(system.machine.cpus[0].ticks + r.randrange(1, 2000))
        console.type(bytes([r.randrange(256)]))
    end = system.machine.cpus[0].ticks + 3000
    system.run(end)
    assert len(console.output) == 16 and len(system.board.input.entries) == 8

    again, heard = machine(mode)
    for entry in system.board.input.entries:
        again.run(entry.ticks)
        assert again.machine.retired == entry.retired
        again.board.input.again(entry)
    again.run(end)
    assert heard.output == console.output and again.machine.retired == system.machine.retired


def test_entries_are_stamped_and_no_more_are_kept_than_asked_for() -> None:
    now, received = (5, 3), bytearray()
    log = InputLog(lambda: now)
    enter = log.entrance("tty0", received.extend)
    enter(b"lost")
    assert not log.entries
    log.keep(2)
    for text in (b"a", b"b", b"c"):
        enter(text)
    assert list(log.entries) == [Input(5, 3, "tty0", b"b"), Input(5, 3, "tty0", b"c")] and received == b"lostabc"


def test_a_port_has_one_entrance() -> None:
    log = InputLog(lambda: (0, 0))
    log.entrance("net0", print)
    with pytest.raises(ValueError, match="net0"):
        log.entrance("net0", print)
