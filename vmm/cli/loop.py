"""Running a system to its end or to a limit, alone or under a debugger.

Invariant: what the guest sees does not depend on how long a slice is, nor on the clock on the wall, which
decides only when ``--timeout`` ends a run.
"""
from __future__ import annotations

import errno
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vmm.cli.keyboard import Keyboard
from vmm.guest.console import ConsoleError
from vmm.guest.image import short
from vmm.guest.system import System

if TYPE_CHECKING:                                           # a run without a debugger need not load it
    from vmm.gdbstub.server import Server

RAN_OUT, OUR_ERROR = 124, 125
BY_SIGNAL = 128                                             # and the signal's number, as shells have it
LOST = {                                                    # a console that is gone: as the signal for that would end us
    errno.EPIPE: BY_SIGNAL + signal.SIGPIPE, errno.ECONNRESET: BY_SIGNAL + signal.SIGPIPE,
    errno.EIO: BY_SIGNAL + signal.SIGHUP, errno.ENXIO: BY_SIGNAL + signal.SIGHUP,
}
WAIT_SECONDS = 0.05                                         # how long a key or a signal may go unnoticed
NS_PER_SECOND = 1_000_000_000
FOREVER_TICKS = 1 << 34                                     # Count has wrapped: no timer is set either

# Ticks between two looks at keys, signals and limits: at first, and what that may become.
FIRST_SLICE = {"native": 500_000, "reference": 5_000}
SLICE_TICKS = (1_000, 50_000_000)
SLICE_SECONDS = 0.02
WATCHFUL_TICKS = 50_000, 2_000_000                          # while something is under way outside: 0.25 to 10 ms
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``status``: of the process.  ``cause``: one word for programs; ``text``: the same for people."""
    status: int
    cause: str
    text: str


@dataclass(slots=True)
class Limits:
    max_insns: int | None = None
    seconds: float | None = None
    realtime: bool = False
    matched: bool = False                                   # ``--until`` did; whoever reads the console says so
    signals: list[int] = field(default_factory=list)


class Driver(Protocol):
    @property
    def finished(self) -> bool:
        """Nothing is left to run."""

    def advance(self) -> None:
        """Let some time pass."""


def retired(system: System) -> int:
    """Instructions that all CPUs have executed, the host kernel's own among them."""
    return system.machine.retired


def ticks(system: System) -> int:
    return max(cpu.ticks for cpu in system.machine.cpus)


class Pace:
    """How long a slice is, in ticks: so that a look comes about every SLICE_SECONDS, however fast the guest is."""

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks

    def adapt(self, seconds: float) -> None:
        """The last slice took so long."""
        least, most = SLICE_TICKS
        if seconds < SLICE_SECONDS / 2:
            self.ticks = min(most, self.ticks * 2)
        elif seconds > SLICE_SECONDS * 2:
            self.ticks = max(least, self.ticks // 2)


class Watch:
    """A guest's idle time costs as much real time: always, or while it waits for the network, so that nothing from
    outside is late.

    Slices are short after something came, since more is likely to follow.
    """

    def __init__(self, system: System, keyboard: Keyboard, always: bool) -> None:
        self._system, self._keyboard, self._always = system, keyboard, always
        self._ticks = WATCHFUL_TICKS[0]

    @property
    def on(self) -> bool:
        return self._always or self.awaits

    @property
    def awaits(self) -> bool:
        """Something may come at any time."""
        return any(source.awaits for source in self._system.board.sources)

    def most(self, now: int) -> int | None:
        """The longest slice: not far beyond the guest's next instruction, with which it may ask for something."""
        if self.on:
            return self._ticks
        if not self._system.board.sources:
            return None
        return max(0, self._system.quiet_until() - now) + WATCHFUL_TICKS[1]

    def wait(self, idle_ticks: int) -> None:
        """The last slice has skipped so many."""
        seconds = max(0, idle_ticks) * self._system.machine.ns_per_tick / NS_PER_SECOND
        least, most = WATCHFUL_TICKS
        found = [source.fileno() for source in self._system.board.sources]
        came = self._keyboard.wait(seconds, [descriptor for descriptor in found if descriptor is not None])
        self._ticks = least if came else min(most, 2 * self._ticks)


class Free:
    """Without a debugger."""

    def __init__(self, system: System, keyboard: Keyboard, limits: Limits,
                 run: Callable[[int], object] | None = None) -> None:
        """``run``: how to run the system to a tick, if not at once."""
        self._system, self._keyboard, self._limits = system, keyboard, limits
        self._run = run or system.run
        self._pace = Pace(FIRST_SLICE[system.request.engine] if run is None else SLICE_TICKS[0])
        self._watch = Watch(system, keyboard, limits.realtime)
        self._idle_ticks = 0
        self._executed_at_boundary = -1
        self._waits_forever = False

    @property
    def finished(self) -> bool:
        return self._system.over or self._waits_forever

    def advance(self) -> None:
        """Idle time is skipped, so a guest that waits for a key would race through it: wait with it."""
        executed, now, started = retired(self._system), ticks(self._system), time.monotonic()
        boundary = now - now % FOREVER_TICKS + FOREVER_TICKS
        self._run(min(now + self._slice(executed, now), boundary))
        self._pace.adapt(time.monotonic() - started)
        self._keyboard.flush()                              # a prompt does not end its line
        if self._watch.on:
            self._idle_ticks = 0
            self._watch.wait(ticks(self._system) - now - (retired(self._system) - executed))
        elif retired(self._system) != executed:
            self._idle_ticks = 0
        elif self._keyboard.ended:
            self._idle_ticks += ticks(self._system) - now
        else:
            self._keyboard.wait(WAIT_SECONDS)
        if ticks(self._system) >= boundary:
            self._look_back()

    def _look_back(self) -> None:
        """At multiples of FOREVER_TICKS, whatever the slices were: was nothing executed since the last one?"""
        executed = retired(self._system)
        self._waits_forever = (executed == self._executed_at_boundary and self._keyboard.ended and not self._watch.awaits)
        self._executed_at_boundary = executed

    def _slice(self, executed: int, now: int) -> int:
        usual = self._idle_ticks or self._pace.ticks        # doubles what has been idled
        if (most := self._watch.most(now)) is not None:
            usual = min(usual, most)
        if self._limits.max_insns is None:
            return usual
        each = (self._limits.max_insns - executed) // len(self._system.machine.cpus)
        safe = max(each, self._system.quiet_until() - now)
        return max(1, min(usual, safe))


class Debugged:
    """The debugger's server decides what runs."""

    def __init__(self, server: Server, keyboard: Keyboard) -> None:
        self._server, self._keyboard = server, keyboard

    @property
    def finished(self) -> bool:
        return self._server.done

    def advance(self) -> None:
        if self._server.idle:
            select.select(self._server.sockets(), [], [], WAIT_SECONDS)
        self._server.step(wait=False)
        self._keyboard.pump()
        self._keyboard.flush()


def drive(driver: Driver, system: System, keyboard: Keyboard, limits: Limits) -> Outcome:
    started = time.monotonic()
    while not driver.finished:
        if early := _early(system, keyboard, limits, time.monotonic() - started):
            return early
        if keyboard.standing:
            keyboard.wait(WAIT_SECONDS)
            keyboard.pump()
        else:
            driver.advance()
    return ended(system, limits)


def _early(system: System, keyboard: Keyboard, limits: Limits, seconds: float) -> Outcome | None:
    """What ends a run before the guest does."""
    if limits.signals:
        name = signal.Signals(limits.signals[0]).name
        return Outcome(BY_SIGNAL + limits.signals[0], "signal", f"ended by {name}")
    if keyboard.left:
        return Outcome(0, "left", f"left with {keyboard.left}")
    if keyboard.failure is not None:
        return undelivered(keyboard.failure)
    if limits.max_insns is not None and (done := retired(system)) >= limits.max_insns:
        return Outcome(RAN_OUT, "max-insns", _limit(f"--max-insns {limits.max_insns}", f"{done:,} were executed", system))
    if limits.seconds is not None and seconds >= limits.seconds:
        return Outcome(RAN_OUT, "timeout", _limit(f"--timeout {limits.seconds:g}", "time is up", system))
    return None


def undelivered(failure: ConsoleError) -> Outcome:
    return Outcome(LOST.get(failure.number, OUR_ERROR), "console", str(failure))


def _limit(option: str, found: str, system: System) -> str:
    return f"{option}: {found} and the guest still runs, pc {short(_guest_pc(system))}; raise the limit"


def _guest_pc(system: System) -> int:
    """Where the first CPU of the guest is, also while the host works for it."""
    core = system.machine.cpus[0]
    return system.vcpus[0].pc if system.vcpus and not system.in_guest(0) else core.pc


def ended(system: System, limits: Limits) -> Outcome:
    ending = system.ending
    if limits.matched:
        return Outcome(0, "until", "--until matched")
    if ending is None:
        return Outcome(0, "idle", "the guest waits and nothing can wake it")
    status = ending.status & 0xFF or int(ending.status != 0)
    if ending.fault:
        return Outcome(status or 1, "fault", ending.text)
    return Outcome(status, "power-off", ending.text)


@contextmanager
def listening(heard: list[int]) -> Iterator[None]:
    """Signals end a run between two slices, when the machine is whole and the terminal can be restored."""
    before = {number: signal.signal(number, lambda got, _frame: heard.append(got)) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
