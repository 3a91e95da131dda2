"""Instructions a second of this engine and of QEMU on the same programs, side by side.

Every figure is a whole process: start, load, run, exit, in user seconds as the operating system accounts the
finished child.  The ways are run in turn, round by round, so that a slow moment of the computer hits them
all; the median of the rounds counts.  The instructions are those of one bare run of ours, where every instruction is
the guest's; a trap-and-emulate build of a program has the same ones as the bare build.
"""
from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Warm means: with Python's own cache too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
NULL = "null"                                               # a program that does nothing: start-up and exit
EVENTS = "x_"                                               # what these programs are called: exceptions, devices
SHORTEST = 0.01                                             # seconds that can be told apart
SLOW = {"vz": frozenset({"x_mmio"})}                        # an exit to the VMM a read
QEMU_OPTIONS = ("-m", "64", "-vga", "none", "-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot", "-serial",
                "stdio", "-kernel")


@dataclass(frozen=True, slots=True)
class Target:
    """A build of the programs.  ``bare``: the build of the same programs that runs without a hypervisor, hence in QEMU.
    ``beside``: another build whose speed is shown next to it."""
    name: str
    modes: tuple[str, ...]
    bare: str
    qemu: str
    cpu: str
    beside: str | None = None


TARGETS = {target.name: target for target in (
    Target("bare32",   ("bare", "vz"), "bare32",   "qemu-system-mipsel",   "24Kf"),
    Target("bare32eb", ("bare", "vz"), "bare32eb", "qemu-system-mips",     "24Kf"),
    Target("te32",     ("te",),        "bare32",   "qemu-system-mipsel",   "24Kf"),
    Target("te32eb",   ("te",),        "bare32eb", "qemu-system-mips",     "24Kf"),
    Target("bare64",   ("bare", "vz"), "bare64",   "qemu-system-mips64el", "5KEf"),
    Target("bare64r6", ("bare", "vz"), "bare64r6", "qemu-system-mips64el", "I6400"),
    Target("shared32", ("bare",),      "shared32", "qemu-system-mipsel",   "24Kf", beside="bare32"),
)}


@dataclass(frozen=True, slots=True)
class Way:
    """A command that runs the programs of a build."""
    name: str
    build: str
    before: tuple[str, ...]
    after: tuple[str, ...] = ()
    leaves_out: frozenset[str] = frozenset()                # programs that would take minutes

    def command(self, image: Path) -> list[str]:
        return [*self.before, str(image), *self.after]


def ours(mode: str, build: str, name: str | None = None) -> Way:
    return Way(name or mode, build, (sys.executable, "-m", "vmm", "run"), ("--mode", mode, "-m", "64M"),
               SLOW.get(mode, frozenset()))


def ways_of(target: Target, modes: list[str]) -> list[Way]:
    """QEMU is the last: the ratios are to it."""
    ways = [ours(mode, target.name) for mode in target.modes if mode in modes]
    if target.beside is not None:
        ways.append(ours("bare", target.beside, target.beside))
    if shutil.which(target.qemu):
        qemu = (target.qemu, "-M", "malta", "-cpu", target.cpu, *QEMU_OPTIONS)
        if target.beside is not None:
            ways.append(Way(f"q-{target.beside}", target.beside, qemu))
        ways.append(Way("qemu", target.bare, qemu))
    return ways


class Failed(Exception):
    """A program did not say what it should."""


def build(source: Path, percent: int, folder: Path, target: str) -> dict[str, Path]:
    """The programs by name, built outside of their source."""
    if not (source / "Makefile").is_file():
        raise Failed(f"{source}: no Makefile of the benchmarks there; say make bench BENCH=folder")
    work = folder / "source"
    if not work.exists():
        shutil.copytree(source, work, ignore=shutil.ignore_patterns("build"), copy_function=shutil.copyfile)
        for path in [work, *(p for p in work.rglob("*") if p.is_dir())]:
            path.chmod(0o755)
    subprocess.run(["make", "-s", "-C", str(work), f"PCT={percent}", target], check=True)
    return {path.stem: path for path in sorted((work / "build" / f"{target}-{percent}").glob("*.elf"))}


def expected(source: Path, percent: int) -> dict[str, str]:
    lines = (source / "expected.txt").read_text().splitlines()
    return {line.split()[0]: line for line in lines if f" pct={percent} " in line}


def user_seconds(command: list[str], line: str) -> float:
    """Run once; the program must print its line."""
    read, write = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    child = os.posix_spawnp(command[0], command, ENVIRONMENT, file_actions=[
        (os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, write, 1), (os.POSIX_SPAWN_DUP2, null, 2),
        (os.POSIX_SPAWN_CLOSE, read)])
    os.close(write)
    os.close(null)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace").strip()
    _, status, usage = os.wait4(child, 0)
    if said != line or status:
        raise Failed(f"{' '.join(command)}: printed {said!r} with wait status {status}, not {line!r}")
    return usage.ru_utime


def instructions(image: Path) -> int:
    command = [*ours("bare", "").command(image), "--json"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
                          env=ENVIRONMENT)
    return int(json.loads(done.stdout)["retired"])


def mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.exp(statistics.fmean(map(math.log, known))) if known else math.nan


@dataclass(frozen=True, slots=True)
class Row:
    """One program: its instructions, and its median seconds by way."""
    name: str
    count: int
    seconds: dict[str, float]

    def rate(self, way: str, start: float = 0.0) -> float:
        """Million instructions a second, with or without the seconds of start-up; not a number if not measured."""
        return self.count / max(self.seconds[way] - start, SHORTEST) / 1e6 if way in self.seconds else math.nan


Images = dict[str, dict[str, Path]]
"""By build and name."""


def measured(name: str, images: Images, line: str, ways: list[Way], bare: str, rounds: int) -> Row:
    runs: dict[str, list[float]] = {way.name: [] for way in ways if name not in way.leaves_out}
    for _ in range(rounds):
        for way in ways:
            if way.name in runs:
                runs[way.name].append(user_seconds(way.command(images[way.build][name]), line))
    return Row(name, instructions(images[bare][name]), {way: statistics.median(times) for way, times in runs.items()})


def shown(row: Row, names: list[str]) -> str:
    cells = "".join(f"{row.seconds.get(name, math.nan):11.2f}{row.rate(name):7.0f}" for name in names)
    ratios = "".join(f"{row.rate(name) / row.rate(names[-1]):14.2f}" for name in names[:-1])
    return f"{row.name:12}{row.count / 1e6:9.1f}{cells}{ratios}".replace("nan", "  -")


def means(text: str, rows: list[Row], names: list[str], start: dict[str, float]) -> str:
    """Geometric; a ratio is over the programs that both ways have run."""
    rates = {name: [row.rate(name, start[name]) for row in rows] for name in names}
    cells = "".join(f"{'':11}{mean(rates[name]):7.0f}" for name in names)
    ratios = "".join(f"{mean([a / b for a, b in zip(rates[name], rates[names[-1]], strict=True)]):14.2f}"
                     for name in names[:-1])
    return f"{text:21}{cells}{ratios}".replace("nan", "  -")


def report(target: Target, images: Images, chosen: set[str], lines: dict[str, str], ways: list[Way], rounds: int) -> None:
    names = [way.name for way in ways]
    print(f"\n{target.name}, QEMU with -cpu {target.cpu}")
    print(f"{'program':12}{'M insns':>9}" + "".join(f"{name + ' s':>11}{'M/s':>7}" for name in names)
          + "".join(f"{name + '/' + names[-1]:>14}" for name in names[:-1]))
    rows: list[Row] = []
    for name in sorted(chosen, key=lambda name: (name != NULL, name)):
        rows.append(measured(name, images, lines[name], ways, target.bare, rounds))
        print(shown(rows[-1], names), flush=True)
    null, programs = rows[0], [row for row in rows[1:] if not row.name.startswith(EVENTS)]
    print(means("mean", programs, names, dict.fromkeys(names, 0.0)))
    print(means("mean less start-up", programs, names, null.seconds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder of the benchmark programs")
    parser.add_argument("--percent", type=int, default=10, choices=(1, 10, 100), help="how much work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--build", type=Path, default=Path("build/bench"))
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this build (may be given again)")
    parser.add_argument("--mode", choices=("bare", "te", "vz"), action="append", help="only this mode (the same)")
    parser.add_argument("programs", nargs="*", help="only these")
    options = parser.parse_args()
    try:
        lines = expected(options.source, options.percent)
        for name in options.target or TARGETS:
            target = TARGETS[name]
            ways = ways_of(target, options.mode or list(target.modes))
            images = {way.build: build(options.source, options.percent, options.build, way.build) for way in ways}
            images[target.bare] = build(options.source, options.percent, options.build, target.bare)
            chosen = set.intersection(*(set(programs) for programs in images.values()))
            chosen &= {NULL, *options.programs} if options.programs else set(lines)
            report(target, images, chosen, lines, ways, options.rounds)
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(f"\nuser seconds of whole processes, median of {options.rounds}; geometric means over the programs that compute; "
          f"{NULL} is start-up and exit, {EVENTS} programs are single events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
