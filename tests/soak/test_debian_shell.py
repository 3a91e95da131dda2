"""Debian 12's own Malta kernels boot to a shell on each kind of core, compute what is right, and switch the board off.

The kernels come from Debian's packages, fetched by apt into a cache folder, and nothing else will do.  By name
only: ``pytest -m soak tests/soak/test_debian_shell.py``.
"""
from __future__ import annotations

import re

import pytest

from tests.support.sessions import COMPUTED, CORES, NAP, UPTIME_AFTER, UPTIME_BEFORE, Core, session
from vmm.host.machine import NS_PER_TICK

pytestmark = [pytest.mark.soak, pytest.mark.parametrize("core", CORES, ids=str)]
FOLDERS = {"bin", "dev", "etc", "init", "lib", "proc", "sbin", "sys", "tmp", "usr", "var"}
INSTRUCTIONS_A_SECOND = 100_000_000                         # the engine executes more, also beside other work
MACHINE = {32: "mips", 64: "mips64"}


def test_the_kernel_knows_its_machine(core: Core) -> None:
    answers = session(core).answers
    assert re.fullmatch(rf"Linux \S+ 6\.\S+-malta #1 SMP Debian .* {MACHINE[core.bits]} GNU/Linux", answers["uname -a"])
    cpuinfo = dict(re.findall(r"^([^\t\n]+)\t+: (.*)$", answers["cat /proc/cpuinfo"], re.MULTILINE))
    assert cpuinfo["cpu model"] == core.model
    assert cpuinfo["system type"] == "MIPS Malta"
    assert FOLDERS <= set(answers["ls /"].split())


@pytest.mark.parametrize("command", COMPUTED)
def test_programs_compute_what_is_right(command: str, core: Core) -> None:
    assert session(core).answers[command] == COMPUTED[command]


def test_interrupts_come(core: Core) -> None:
    counts = {name: int(count) for count, name in
              re.findall(r"^ *\w+: +(\d+) .* (\w+)$", session(core).answers["cat /proc/interrupts"], re.MULTILINE)}
    assert counts["ttyS0"] > 100 and counts["timer"] > 100


def test_ten_seconds_of_sleep_are_ten_of_the_guest_and_none_of_ours(core: Core) -> None:
    found = session(core)
    before, after = (float(found.answers[command].split()[0]) for command in (UPTIME_BEFORE, UPTIME_AFTER))
    assert after - before == pytest.approx(10, rel=0.02)    # the two commands take their time too
    start, end = found.moments[NAP], found.moments[UPTIME_AFTER]
    assert (end.ticks - start.ticks) * NS_PER_TICK / 1e9 == pytest.approx(10, rel=0.01)
    print(f"sleep 10: {end.retired - start.retired:,} instructions, {end.seconds - start.seconds:.2f} s")
    assert end.retired - start.retired < INSTRUCTIONS_A_SECOND


def test_it_switches_the_board_off(core: Core) -> None:
    found = session(core)
    assert found.ending.status == 0
    assert "reboot: Power down" in found.rest
