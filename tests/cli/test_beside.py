"""``vmm run --beside``: several VMs on one host, and one console for what they say."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import vmm
from vmm.cli.beside import Aside
from vmm.cli.keyboard import Keyboard
from vmm.guest.console import MemoryConsole

MOVING = ("--host-cpus", "4", "--migrate", "60", "-m", "16M", "--cpu", "P5600")


def lines_of(out: str, name: str) -> str:
    """What the guest of that name said."""
    return "".join(line.removeprefix(name) for line in out.splitlines(keepends=True) if line.startswith(name))


@pytest.mark.parametrize("mode", ["vz", "te"])
def test_three_guests_that_change_cpus_say_what_one_says_alone(mode: str) -> None:
    alone = vmm("run", "--mode", mode, "-m", "16M", "--cpu", "P5600", "--json").json["console"]
    ran = vmm("run", "--mode", mode, *MOVING, "--beside", "bundled", "--beside", "bundled")
    assert (ran.status, ran.err) == (0, "")
    assert lines_of(ran.out, "vm1: ") == lines_of(ran.out, "vm2: ") == alone
    own = "".join(line for line in ran.out.splitlines(keepends=True) if not line.startswith(("vm1: ", "vm2: ")))
    assert own.startswith(alone)                            # and the table of a run of the bundled guest


def test_the_same_run_twice() -> None:
    first, second = (vmm("run", *MOVING, "--seed", "7", "--beside", "bundled", "--until", "passed").out for _ in range(2))
    said, table = first.split("bundled: ")                  # of which one line is about the computer
    assert said == second.split("bundled: ")[0] and "vm1: " in said
    assert table.splitlines()[:2] == second.split("bundled: ")[1].splitlines()[:2]


def test_the_first_guests_match_ends_all() -> None:
    ran = vmm("run", *MOVING, "--beside", "bundled", "--until", ".", "--stats")
    assert ran.status == 0 and "--until matched" in ran.out
    assert "checks passed" not in ran.out


def image(folder: Path, status: int) -> str:
    """Says a character, and ends with this status."""
    source, elf = folder / f"{status}.s", folder / f"{status}.elf"
    source.write_text(f"""
        lui $8, 0xb800
        addiu $9, $0, 0x61
        sb $9, 0x3f8($8)
        lui $8, 0xbf00
        addiu $9, $0, {status}
        sw $9, 0x410($8)
        addiu $9, $0, 0x42
        sw $9, 0x500($8)
""")
    assert vmm("asm", str(source), "-o", str(elf)).status == 0
    return str(elf)


@pytest.mark.parametrize("statuses, expected", [((0, 0), 0), ((0, 5), 5), ((3, 5), 3), ((0, 0, 9), 9)])
def test_the_status_is_that_of_the_first_guest_that_is_not_well(statuses: tuple[int, ...], expected: int,
                                                                tmp_path: Path) -> None:
    first, *others = (image(tmp_path, status) for status in statuses)
    beside = [word for other in others for word in ("--beside", other)]
    ran = vmm("run", first, "--mode", "vz", "--cpu", "P5600", "-m", "16M", *beside)
    assert ran.status == expected
    assert ran.out == "a\n" + "".join(f"vm{n}: a\n" for n in range(1, len(statuses)))


@pytest.mark.parametrize("arguments, message", [
    (("--mode", "bare"), "--beside bundled --mode bare: only a hypervisor's host can have several guests"),
    (("--json",), "--beside bundled --json: guests of a host cannot share that; leave one out"),
    (("--net", "user"), "--beside bundled --net: guests of a host cannot share that"),
    (("--trace", "/nowhere/trace"), "--beside bundled --trace: guests of a host cannot share that"),
])
def test_what_makes_no_sense_is_refused_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    ran = vmm("run", "--beside", "bundled", *arguments)
    assert ran.status != 0 and ran.out == "" and ran.err.count("\n") == 1
    assert ran.err.startswith("vmm: ") and message in ran.err


def test_lines_of_others_wait_for_the_end_of_the_first_ones() -> None:
    keyboard, console = Keyboard(), MemoryConsole()
    keyboard.connect(console)
    aside = Aside("vm1", keyboard)
    for what, who in (("on", keyboard), ("other\n", aside), ("e\ntw", keyboard), ("more", aside)):
        for byte in what.encode():
            who.put(byte)
    assert console.text == "one\nvm1: other\ntw"
    aside.end_line()
    keyboard.end_aside()
    assert console.text == "one\nvm1: other\ntw\nvm1: more\n"
