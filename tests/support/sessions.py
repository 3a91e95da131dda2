"""One session at the shell of Debian's installer for each core: booted once, looked at by several tests.

Invariant: what is typed and what must come back are declared here, a row a command; a session depends on nothing else.
"""
from __future__ import annotations

import hashlib
import re
import time
from dataclasses import dataclass
from functools import cache

from tests.support.debian import netboot
from tests.support.person import Person, malta, run
from vmm.guest.placement import Mode
from vmm.guest.system import Ending, Request, System

PROMPT = "~ # "
MOST_INSTRUCTIONS = 14_000_000_000
NOISE = re.compile(r"\x1b\[6n|\r")                          # the shell asks the terminal where the cursor is


@dataclass(frozen=True, slots=True)
class Core:
    """``model``: as the kernel names it in /proc/cpuinfo.  ``extra``: for the command line."""
    architecture: str
    mode: Mode
    cpu: str
    model: str
    extra: str = ""

    @property
    def bits(self) -> int:
        return 64 if self.architecture == "mips64el" else 32

    def __str__(self) -> str:
        return f"{self.mode}-{self.cpu}"


RELAXED = " ieee754=relaxed"                                # Debian's programs are for another NaN than the P5600's
CORES = (
    Core("mipsel",   "bare", "24Kf",             "MIPS 24Kc V0.0  FPU V0.0"),
    Core("mipsel",   "bare", "P5600",            "MIPS P5600 V0.0  FPU V0.0", RELAXED),
    Core("mipsel",   "vz",   "P5600",            "MIPS P5600 V0.0  FPU V0.0", RELAXED),
    Core("mips64el", "bare", "5KEf",             "MIPS 5KE V0.0  FPU V0.0"),
    Core("mips64el", "bare", "MIPS64R2-generic", "MIPS GENERIC QEMU V0.0  FPU V0.0"),
    Core("mips64el", "vz",   "MIPS64R5-generic", "MIPS GENERIC QEMU V0.0  FPU V0.0"),
)


def looped(rounds: int) -> int:
    value = 0
    for i in range(rounds):
        value = (value * 31 + i) % 65521
    return value


ROUNDS, TERMS = 5000, 2000
ZEROS = hashlib.md5(bytes(64 << 20)).hexdigest()
SUM = sum(1 / (i * i) for i in range(1, TERMS + 1))
COMPUTED: dict[str, str] = {                                # what is typed, and what the guest must answer
    "dd if=/dev/zero bs=1M count=64 2>/dev/null | md5sum": f"{ZEROS}  -",
    f"v=0; i=0; while [ $i -lt {ROUNDS} ]; do v=$(( (v * 31 + i) % 65521 )); i=$((i + 1)); done; echo $v":
        str(looped(ROUNDS)),
    f"awk 'BEGIN {{ for (i = 1; i <= {TERMS}; i++) s += 1 / (i * i); printf \"%.17g\\n\", s }}'": f"{SUM:.17g}",
    "awk 'BEGIN { x = 1e308 * 10; print x, -x, x - x == x - x, int(-7.9), 0.1 + 0.2 == 0.3 }'": "inf -inf 0 -7 0",
}
LOOKED_AT = ("mount -t devtmpfs devtmpfs /dev", "mount -t proc proc /proc", "uname -a", "cat /proc/cpuinfo", "ls /",
             "cat /proc/interrupts")
UPTIME_BEFORE, NAP, UPTIME_AFTER = "cat /proc/uptime # before", "sleep 10", "cat /proc/uptime # after"
SWITCH_OFF = "poweroff -f"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a command was typed.  ``seconds``: of this process's processor time."""
    ticks: int
    retired: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Session:
    """``log``: to the first prompt.  ``answers`` and ``moments``: by what was typed.  ``rest``: after the last command."""
    ending: Ending
    log: str
    answers: dict[str, str]
    moments: dict[str, Moment]
    rest: str


def request_for(core: Core, init: str = " rdinit=/bin/sh") -> Request:
    folder = netboot(core.architecture)
    return malta(str(next(folder.glob("vmlinuz-*"))), core.mode, core.cpu, f"console=ttyS0{init}{core.extra}",
                 (folder / "initrd.gz").read_bytes())


@cache
def session(core: Core) -> Session:
    typed = [*LOOKED_AT, *COMPUTED, UPTIME_BEFORE, NAP, UPTIME_AFTER, SWITCH_OFF]
    person = Person([(PROMPT.encode(), command.encode() + b"\n") for command in typed])
    moments: dict[str, Moment] = {}

    def looked(system: System) -> None:
        for command in typed[len(moments):len(typed) - len(person.talk)]:
            cpu = system.machine.cpus[0]
            moments[command] = Moment(cpu.ticks, cpu.retired, time.process_time())

    system = run(request_for(core), person, MOST_INSTRUCTIONS, looked)
    assert system.ending is not None
    log, *parts = NOISE.sub("", person.text).split(PROMPT)
    assert len(parts) == len(typed), person.text[-2000:]
    answers = {command: _answer(command, part) for command, part in zip(typed, parts, strict=True)}
    return Session(system.ending, log, answers, moments, answers.pop(SWITCH_OFF))


def _answer(command: str, part: str) -> str:
    """What follows the echo of the command, which the shell wraps at the terminal's width."""
    echo = re.match("\n?".join(map(re.escape, command)), part)
    assert echo is not None, part
    return part[echo.end():].strip("\n")
