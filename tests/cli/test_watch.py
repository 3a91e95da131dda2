"""How long a guest with a network is run at a time, and when its idle time is waited for."""
from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from vmm.cli.keyboard import Keyboard
from vmm.cli.loop import FOREVER_TICKS, SLICE_TICKS, WATCHFUL_TICKS, Free, Limits

LEAST, MOST = WATCHFUL_TICKS
NS_PER_TICK = 5


@dataclass
class Source:
    awaits: bool = False

    def fileno(self) -> int:
        return 17


@dataclass
class Waits:
    """A keyboard at which nobody is any more, if ``ended``; keeps how long was waited, and says whether something came."""
    came: bool = False
    ended: bool = True
    waits: list[float] = field(default_factory=list)

    def wait(self, seconds: float, others: Sequence[int] = ()) -> bool:
        assert list(others) == ([17] if others else [])
        self.waits.append(seconds)
        return self.came

    def flush(self) -> None:
        """Nothing is held."""


class Machine:
    ns_per_tick = NS_PER_TICK

    def __init__(self) -> None:
        self.cpus = [SimpleNamespace(ticks=0, retired=0)]

    @property
    def retired(self) -> int:
        found: int = self.cpus[0].retired
        return found


class Guest:
    """Executes ``busy`` instructions at the beginning of each slice, and from tick ``wakes`` on all the time."""

    def __init__(self, *sources: Source, busy: int = 0, wakes: int = FOREVER_TICKS) -> None:
        self.machine = Machine()
        self.cpu, = self.machine.cpus
        self.request, self.over = SimpleNamespace(engine="native"), False
        self.board = SimpleNamespace(sources=list(sources))
        self.busy, self.wakes, self.slices = busy, wakes, list[int]()

    def quiet_until(self) -> int:
        return 0 if self.busy else self.wakes

    def run(self, until: int) -> None:
        self.slices.append(until - self.cpu.ticks)
        self.cpu.retired += min(self.busy, self.slices[-1]) + max(0, until - max(self.wakes, self.cpu.ticks))
        self.cpu.ticks = until


@pytest.fixture
def driven() -> Callable[..., tuple[Guest, Waits]]:
    def drive(guest: Guest, count: int, keyboard: Waits | None = None) -> tuple[Guest, Waits]:
        keyboard = keyboard or Waits()
        driver: Any = Free(guest, keyboard, Limits())       # type: ignore[arg-type]
        for _ in range(count):
            driver.advance()
        return guest, keyboard
    return drive


def test_idle_time_is_real_while_something_is_awaited(driven: Any) -> None:
    guest, keyboard = driven(Guest(Source(True), busy=1000), 9)
    assert guest.slices == [min(MOST, LEAST << n) for n in range(9)]
    assert keyboard.waits == [(ticks - 1000) * NS_PER_TICK / 1e9 for ticks in guest.slices]


def test_what_comes_makes_slices_short(driven: Any) -> None:
    guest, _ = driven(Guest(Source(True)), 5, Waits(came=True))
    assert guest.slices == [LEAST] * 5


def test_a_busy_guest_is_not_held_up(driven: Any) -> None:
    _, keyboard = driven(Guest(Source(True), busy=1 << 40), 5)
    assert keyboard.waits == [0.0] * 5


def test_a_sleeping_guest_that_awaits_nothing_sleeps_at_once_but_is_looked_at_when_it_wakes(driven: Any) -> None:
    wakes = 12_000_000_000                                  # a minute
    guest, keyboard = driven(Guest(Source(), wakes=wakes), 30)
    assert not keyboard.waits and guest.cpu.ticks > wakes
    first_awake = next(n for n in range(31) if sum(guest.slices[:n]) > wakes)
    assert sum(guest.slices[:first_awake]) <= wakes + MOST


def test_without_a_network_all_is_as_before(driven: Any) -> None:
    guest, keyboard = driven(Guest(), 12)
    assert max(guest.slices) > 100 * SLICE_TICKS[0] * MOST // LEAST and not keyboard.waits


@pytest.mark.parametrize(("awaits", "over"), [(False, True), (True, False)])
def test_a_guest_that_may_be_called_does_not_wait_for_ever(awaits: bool, over: bool) -> None:
    guest, keyboard = Guest(Source(awaits), wakes=1 << 60), Waits()
    driver: Any = Free(guest, keyboard, Limits())           # type: ignore[arg-type]
    for _ in range(200):
        guest.cpu.ticks = max(guest.cpu.ticks, (guest.cpu.ticks // FOREVER_TICKS + 1) * FOREVER_TICKS - 10)
        driver.advance()
        if driver.finished:
            break
    assert driver.finished is over


def test_other_descriptors_wake_a_keyboard() -> None:
    reader, writer = os.pipe()
    try:
        keyboard = Keyboard()
        assert not keyboard.wait(0, [reader])
        os.write(writer, b"x")
        assert keyboard.wait(5, [reader])
    finally:
        os.close(reader)
        os.close(writer)
