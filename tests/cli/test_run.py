"""``vmm run``: endings and their statuses, limits, reports, and that two runs are one."""
from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import vmm as package
from tests.support.cli import vmm
from tests.support.uimage import uimage

ROOT = Path(package.__file__).parent.parent
MODES = ("bare", "te", "vz")
LAST_LINE = "all 71 checks passed"
LOOK_AT_IMPORTS = """
import gc, sys
from vmm.cli.main import loaded
loaded("vmm.cli.run")
import vmm.guest.bare
print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()), sum(name.startswith("vmm.kvm") for name in sys.modules))
"""

# li $t1, 0xbf000000; then a status to ASCIIWORD (0x410) and 0x42 to SOFTRES (0x500).
LUI_T1, LI_T0_42, SW_STATUS, SW_RESET = 0x3C09_BF00, 0x2408_0042, 0xAD28_0410, 0xAD28_0500
HERE, NOP, WAIT = 0x1000_FFFF, 0x0000_0000, 0x4200_0020     # b .


def li_t0(value: int) -> int:
    return 0x2408_0000 | value


def ends_with(status: int) -> tuple[int, ...]:
    return (LUI_T1, li_t0(status), SW_STATUS, LI_T0_42, SW_RESET, HERE, NOP)


@pytest.mark.parametrize("mode", MODES)
def test_the_bundled_guest_passes_its_checks_and_the_table_follows(mode: str) -> None:
    ran = vmm("run", "--mode", mode)
    assert (ran.status, ran.err) == (0, "")
    console, _, table = ran.out.partition("bundled:")
    assert console.splitlines()[-1] == LAST_LINE
    assert f"--mode {mode}" in table and "ended: " in table
    assert ("exits" in table) == (mode != "bare")


def test_the_bundled_guest_says_the_same_in_all_modes() -> None:
    assert len({vmm("run", "--mode", mode, "--json").json["console"] for mode in MODES}) == 1


@pytest.mark.parametrize("mode", MODES)
def test_two_runs_are_equal(mode: str) -> None:
    assert vmm("run", "--mode", mode, "--json") == vmm("run", "--mode", mode, "--json")


def test_json_is_all_there_is() -> None:
    found = vmm("run", "--json").json
    assert list(found) == ["mode", "cpu", "machine", "engine", "image", "console", "retired", "ticks", "ns", "exits",
                           "ending", "status"]
    assert (found["mode"], found["cpu"], found["status"]) == ("vz", "P5600", 0)
    assert found["ending"]["cause"] == "power-off"
    assert found["ns"] > 0 and found["ticks"] >= found["retired"] > 0
    assert found["exits"] and list(found["exits"]) == sorted(found["exits"])


@pytest.mark.parametrize("mode", MODES)
def test_the_reference_engine_agrees_on_every_figure(mode: str) -> None:
    def run(engine: str) -> dict[str, Any]:
        found: dict[str, Any] = vmm("run", "--mode", mode, "--json", "--engine", engine, "--max-insns", "20K").json
        assert found.pop("engine") == engine
        return found
    assert run("native") == run("reference")


@pytest.mark.parametrize("mode", ["bare", "vz"])
@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_the_guests_own_status(mode: str, status: int, code: Any) -> None:
    ran = vmm("run", code(*ends_with(status)), "--mode", mode)
    assert (ran.status, ran.out, ran.err) == (status, "", "")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_images_that_do_not_say_their_byte_order(big: bool, packed: bool, workplace: Path) -> None:
    words = b"".join(word.to_bytes(4, "big" if big else "little") for word in ends_with(9))
    Path("image").write_bytes(uimage(gzip.compress(words), compression=1) if packed else words)
    options = [*(["--big-endian"] if big else []), *([] if packed else ["--load-at", "0x80100000"])]
    assert vmm("run", "image", "--mode", "bare", *options).status == 9


def test_the_bundled_guest_in_the_other_byte_order() -> None:
    assert vmm("run", "--mode", "bare", "--big-endian", "--until", "^ok di$").status == 0


def test_stats_are_printed_when_asked_for(code: Any) -> None:
    """Each figure on a line of its own, in columns; the exits add up."""
    out = vmm("run", code(*ends_with(0)), "--stats").out
    figures = dict(re.findall(r"^  (\S[\w ]*\w) +([\d,.]+)", out, re.MULTILINE))
    assert list(figures)[:3] == ["instructions", "virtual time", "memory of the host"]
    *exits, total = [int(count.replace(",", "")) for count in list(figures.values())[3:]]
    assert exits and sum(exits) == total and exits == sorted(exits, reverse=True)
    assert len({len(line) for line in out.splitlines() if line.startswith("  ") and line[-1].isdigit()}) == 1


def test_json_has_the_memory_of_the_host_if_asked_for(code: Any) -> None:
    found = vmm("run", code(*ends_with(0)), "--stats", "--json").json
    assert list(found)[-1] == "peak_bytes" and found["peak_bytes"] > 10 << 20


def test_until_stops_at_the_first_line_that_matches() -> None:
    ran = vmm("run", "--mode", "bare", "--json", "--until", r"^ok di$")
    assert ran.status == 0
    assert ran.json["ending"]["cause"] == "until"
    assert ran.json["console"].endswith("\nok di")


def test_max_insns_is_exact_and_says_where_the_guest_is(code: Any) -> None:
    ran = vmm("run", code(HERE, NOP), "--mode", "bare", "--max-insns", "12345", "--stats")
    assert ran.status == 124
    assert "12,345" in ran.out
    assert ran.err == ("vmm: --max-insns 12345: 12,345 were executed and the guest still runs, pc 0x80100004; raise the "
                       "limit\n")


@pytest.mark.parametrize("mode", ["bare", "vz"])
def test_a_timeout_ends_an_endless_loop(mode: str, code: Any) -> None:
    ran = vmm("run", code(HERE, NOP), "--mode", mode, "--timeout", "0.01")
    assert ran.status == 124 and "--timeout 0.01" in ran.err


def test_a_guest_that_waits_for_nothing_has_halted(code: Any) -> None:
    """No key can come and no timer is set."""
    ran = vmm("run", code(WAIT, 0x1000_FFFE, NOP), "--mode", "bare", "--stats")
    assert ran.status == 0 and "nothing can wake it" in ran.out


GARBAGE = {
    "unmapped":     (0x3C08_4000, 0x0100_0008, NOP),                    # lui $t0, 0x4000; jr $t0
    "null":         (0x0000_0008, NOP),                                 # jr $0
    "odd":          (0x3C08_8010, 0x2508_0002, 0x0100_0008, NOP),       # jr 0x80100002
    "reserved":     (0xFFFF_FFFF, 0x7000_0039, 0xEEEE_EEEE),
    "all-ones":     (0xFFFF_FFFF,) * 16,
    "no-device":    (0x3C08_BC00, 0x8D08_0000, HERE, NOP),              # lw from 0xbc000000
    "its-own-code": (0x3C08_8010, 0xAD00_0010, 0xAD00_0014, NOP, HERE, HERE, NOP),
    "zeros":        (NOP,) * 8,                                         # runs off its end
}


@pytest.mark.parametrize("mode", ["bare", "vz"])
@pytest.mark.parametrize("name", GARBAGE)
def test_a_wild_guest_ends_by_the_limit_or_by_a_fault(name: str, mode: str, code: Any) -> None:
    """Its exceptions go to vectors in empty memory: it loops, or the hypervisor gives up on it."""
    ran = vmm("run", code(*GARBAGE[name]), "--mode", mode, "--max-insns", "200K", "--json")
    found = ran.json
    assert (ran.status, found["ending"]["cause"]) in [(124, "max-insns"), (1, "fault")]
    assert ran.err.startswith("vmm: ") and ran.err.count("\n") == 1
    assert found["retired"] > 0


@pytest.mark.parametrize("name", ["unmapped", "null", "reserved", "zeros"])
def test_a_wild_guest_under_trap_and_emulate(name: str, code: Any) -> None:
    ran = vmm("run", code(*GARBAGE[name], base=0x4010_0000), "--max-insns", "200K", "--json")
    assert (ran.status, ran.json["ending"]["cause"]) in [(124, "max-insns"), (1, "fault")]


def test_the_console_can_be_a_file(workplace: Path) -> None:
    ran = vmm("run", "--mode", "bare", "--serial", "file:console")
    assert ran.out.startswith("bundled:")
    assert Path("console").read_text().splitlines()[-1] == LAST_LINE


def test_arguments_and_memory_reach_the_guest() -> None:
    console = vmm("run", "--mode", "bare", "--json", "--append", "quiet console=ttyS0", "--memory", "64M").json["console"]
    assert "quiet console=ttyS0" in console and "memory: 64 MiB" in console


def test_help_costs_no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.startswith("vmm.cli")]:
        monkeypatch.delitem(sys.modules, module)
    before = set(sys.modules)
    assert "usage" in vmm("run", "--help").out
    assert not [name for name in set(sys.modules) - before if name.startswith(("vmm.engine", "vmm.guest", "llvmlite"))]


def test_a_bare_run_imports_no_hypervisor_and_its_imports_are_frozen() -> None:
    found = subprocess.run([sys.executable, "-c", LOOK_AT_IMPORTS], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout
    garbage_collected, frozen, others, hypervisor = found.split()
    assert garbage_collected == "True" and hypervisor == "0"
    assert int(frozen) > 5 * int(others)


def test_two_processes_agree_whatever_their_hash_seed() -> None:
    """Nothing depends on the order of a set."""
    def run(seed: str) -> bytes:
        return subprocess.run([sys.executable, "-m", "vmm", "run", "--json"], stdin=subprocess.DEVNULL, check=True,
                              capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}).stdout
    assert run("1") == run("2")
