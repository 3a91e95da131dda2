"""GDB on the bare machine: connecting, registers, memory, stepping, breakpoints (gdb.md A1-A4, C1, C2, C5, C10, E4)."""
from __future__ import annotations

import re
from pathlib import Path

import pytest

from . import programs
from .session import by_heading, heading, run_gdb, target

COMMANDS = (
    heading("connect"), "show mips abi", "info symbol $pc", "show osabi", "show endian",
    heading("registers"), "set $t0 = 7", "p $t0", "p/x $epc", "p $status", "p/x $entryhi.VPN2", "p $config",
    heading("unmapped"), "x/4wx 0x1000", "x/4wx 0xffffffffc0000000",
    heading("device"), "x/wx 0xffffffffb8000900",
    heading("poke"), "set {int} &counter = 41", "x/dw &counter", "x/dw 0xffffffff80100300",
    heading("eret"), "hbreak *0x8000018c", "continue", "x/i $pc", "stepi", "info symbol $pc", "delete",
    heading("watch"), "watch {int} &counter", "continue", "info symbol $pc", "delete",
    heading("tlbwi"), "tbreak *write_tlb", "continue", "stepi", "x/i $pc",
    heading("branch"), "stepi 3", "x/i $pc",
    heading("wait"), "tbreak *sleep", "continue", "stepi", "stepi", "stepi", "info threads",
    heading("monitor"), "monitor help", "monitor exits", "monitor cp0 epc status", "monitor tlb",
    "monitor disasm 0x8000018c 1", "monitor nonsense",
    heading("end"), "detach",
)

BITS = {"24Kf": 32, "5KEf": 64}


@pytest.fixture(scope="module", params=BITS)
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    bits = BITS[request.param]
    folder = tmp_path_factory.mktemp("gdb")
    text = run_gdb(target("bare", request.param, programs.image(bits=bits)), folder, *COMMANDS)
    return {**by_heading(text), "all": text, "abi": {32: "o32", 64: "n64"}[bits]}


# fmt: off
EXPECTED = [
    ("connect",   "_start in section .text"),
    ("connect",   'currently "none"'),
    ("registers", "$1 = 7"),
    ("registers", "$2 = 0x0"),
    ("registers", "$3 = [ "),
    ("registers", "$4 = 0x0"),
    ("unmapped",  "Cannot access memory at address 0x1000"),
    ("device",    "Cannot access memory at address 0x"),
    ("poke",      "<counter>:\t41"),
    ("eret",      "8000018c"),
    ("eret",      "eret"),
    ("eret",      "after_call in section .text"),
    ("watch",     "Hardware watchpoint"),
    ("watch",     "Old value = 41\nNew value = 1"),
    ("watch",     "after_store in section .text"),
    ("tlbwi",     "<write_tlb+4>:\tli"),
    ("branch",    "<rounds+8>:\tnop"),
    ("wait",      '(kernel, waiting)'),
    ("monitor",   "monitor cp0 [host|guest [N]|P.T] [REGISTER...]"),
    ("monitor",   "no exits: this machine has no hypervisor"),
    ("monitor",   "Status    12,0"),
    ("monitor",   "42000018  eret"),
    ("monitor",   "no command 'nonsense'; there are help, exits, explain, tlb, asid, mmid, ps, disasm, cp0"),
    ("end",       "[Inferior 1 (process 1) detached]"),
]
# fmt: on


@pytest.mark.parametrize(("name", "text"), EXPECTED)
def test_gdb_shows(said: dict[str, str], name: str, text: str) -> None:
    assert text in said[name]


def test_the_abi_is_the_images(said: dict[str, str]) -> None:
    """A1: no file, no "set architecture"."""
    assert f'currently "{said["abi"]}"' in said["connect"]
    assert "Reading symbols from target:/guest/loop.elf" in said["all"]


def test_packets_of_a_write_and_a_step(tmp_path: Path) -> None:
    """A4: one P and no G.  C1: no breakpoint planted where GDB believes that the program will go."""
    run_gdb(target("bare", "24Kf", programs.image()), tmp_path, "set $t0 = 7", "stepi", "stepi", log=True)
    packets = (tmp_path / "packets").read_text()
    assert packets.count("$P8=0700000000000000#") == 1
    assert "$G" not in packets
    assert packets.count("$vCont;s") == 2
    assert "$Z" not in packets


def test_nothing_else_is_complained_about(said: dict[str, str]) -> None:
    text = re.sub("warning: (File transfers from remote targets|GDB can't find the start)", "", said["all"])
    for complaint in ("warning:", "Remote failure", "too long", "internal-error", "badly formatted", "rejected"):
        assert complaint not in text


def test_a_link_survives_stepping(tmp_path: Path) -> None:
    """A debug stop must not clear LLbit, or stepping would never pass the SC."""
    text = run_gdb(target("bare", "24Kf", programs.image()), tmp_path, "tbreak *again", "continue", "stepi 5",
                   "info symbol $pc", "x/dw &link")
    assert "call in section .text" in text
    assert "<link>:\t1" in text


def test_syscall_steps_into_the_vector(tmp_path: Path) -> None:
    """C2."""
    text = run_gdb(target("bare", "24Kf", programs.image()), tmp_path, "tbreak *call", "continue", "stepi", "p/x $pc",
                   "p $cause", "x/i $pc")
    assert "$1 = 0x80000180" in text
    assert "ExcCode=Sys" in text


def test_a_wide_machine_of_the_other_byte_order(tmp_path: Path) -> None:
    text = run_gdb(target("bare", "5KEf", programs.image(bits=64, big_endian=True)), tmp_path, "stepi", "p/x $pc",
                   "set $s0 = 0x1122334455667788", "p/x $s0", "p/x $prid", "x/4wx 0x9000000000100000")
    assert "$1 = 0xffffffff80100004" in text
    assert "$2 = 0x1122334455667788" in text
    assert "$3 = 0x18900" in text
    assert "0x9000000000100000:\t0x40806000" in text


def test_vector_registers(tmp_path: Path) -> None:
    """GDB knows no feature for MSA, but shows registers of any."""
    text = run_gdb(target("bare", "P5600", programs.image()), tmp_path, "set $w3 = 7", "p/x $w3",
                   "set $msacsr = 3", "info registers vector")
    assert "$1 = 0x7\n" in text
    assert re.search(r"msacsr: +0x3\n", text) and re.search(r"msair: +0x0\n", text)


def test_control_c(tmp_path: Path) -> None:
    """C11."""
    send = "python import os, signal, threading; threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()"
    text = run_gdb(target("bare", "24Kf", programs.image(programs.FOREVER)), tmp_path, send, "continue", "p $t0 > 1000")
    assert "Program received signal SIGINT" in text or 'received signal SIGINT' in text
    assert "$1 = 1" in text


def test_conditional_break_and_range_step_stay_right(tmp_path: Path) -> None:
    text = run_gdb(target("bare", "24Kf", programs.image()), tmp_path, "break *rounds if $s3 == 3", "continue", "p $s3",
                   "info breakpoints")
    assert "$1 = 3" in text
    assert "breakpoint already hit 1 time" in text
