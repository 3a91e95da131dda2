"""``vmm run``: an image on a machine, to its end."""
from __future__ import annotations

import io
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from socket import socket
from typing import TextIO

from vmm.cli.beside import make_guests
from vmm.cli.choose import request_from, requests_beside
from vmm.cli.debugger import gdb_address, port, serving
from vmm.cli.keyboard import Keyboard, LineWatch
from vmm.cli.loop import Debugged, Driver, Free, Limits, Outcome, drive, ended, listening, undelivered
from vmm.cli.main import abandon_stdout, complain
from vmm.cli.prompt import SystemMonitor
from vmm.cli.report import as_json, figures, table
from vmm.cli.terminal import interactive, keys, raw
from vmm.errors import ConfigError
from vmm.guest.console import Console, StreamConsole, Tee, open_console
from vmm.guest.pseudoterminal import PtyConsole
from vmm.guest.system import Ending, Request, System

QUIET_ENDS = ("power-off", "until", "left", "idle")


def main(options: Namespace) -> int:
    address = gdb_address(options)
    request = request_from(options)
    others = requests_beside(options, request)
    with closing(request), _trace(options) as trace, port(address) as listener:
        run = Run(options, request, others)
        with listening(run.limits.signals):
            with open_keyboard(options, run):
                outcome = run.to_its_end(listener, trace)
            outcome = run.delivered(outcome)
    _report(options, run, outcome)
    if outcome.cause not in QUIET_ENDS:
        complain(("guest fault: " if outcome.cause == "fault" else "") + outcome.text)
    return outcome.status


class Run:
    """A system with its readers of the console: ``--json`` keeps all of it, ``--until`` waits for a line."""

    def __init__(self, options: Namespace, request: Request, others: Sequence[Request] = ()) -> None:
        self.said, self.keyboard = bytearray(), Keyboard()
        self._hold = bool(options.hold)
        self.limits = Limits(options.max_insns, options.timeout, options.realtime)
        readers: list[Callable[[int], None]] = [self.said.append] if options.json else []
        if options.until is not None:
            readers.append(LineWatch(options.until, self._matched))
        self.guests, self._asides = make_guests(request, Tee(self.keyboard, *readers), others, self.keyboard)
        self.system: System = self.guests[0]

    def _matched(self) -> None:
        """The machine stops at once, so that what comes after the match is never run."""
        self.limits.matched = True
        for guest in self.guests:
            guest.ending = guest.ending or Ending(0, "--until matched")

    def to_its_end(self, listener: socket | None, trace: TextIO | None) -> Outcome:
        if trace is not None:
            from vmm.trace.instructions import InstructionTrace  # as below

            return self._drive(Free(self.system, self.keyboard, self.limits, InstructionTrace(self.system, trace).run))
        if listener is None:
            return self._drive(Free(self.system, self.keyboard, self.limits))
        with serving(self.system, listener, hold=self._hold) as server:
            return self._drive(Debugged(server, self.keyboard))

    def _drive(self, driver: Driver) -> Outcome:
        """To the end of all guests, of which the first one that is not well is told."""
        outcome = drive(driver, self.system, self.keyboard, self.limits)
        for aside in self._asides:
            aside.end_line()
        self.keyboard.end_aside()
        others = [ended(guest, self.limits) for guest in self.guests[1:]]
        return next((each for each in (outcome, *others) if each.status), outcome)

    def delivered(self, outcome: Outcome) -> Outcome:
        """The guest's last words may have been lost when the console was closed; other mishaps come first."""
        failure = self.keyboard.failure
        return undelivered(failure) if failure is not None and outcome.cause in QUIET_ENDS else outcome


def _report(options: Namespace, run: Run, outcome: Outcome) -> None:
    """To standard output, if there still is one."""
    if run.keyboard.failure is not None and options.serial == "stdio":
        abandon_stdout()
    try:
        if options.json:
            print(as_json(figures(run.system), outcome, bytes(run.said), options.stats), flush=True)
        elif options.stats or options.IMAGE is None:
            print(table(figures(run.system), outcome), flush=True)
    except BrokenPipeError:
        abandon_stdout()


@contextmanager
def _trace(options: Namespace) -> Iterator[TextIO | None]:
    if options.trace is None:
        yield None
        return
    if gdb_address(options) is not None:
        raise ConfigError(f"--trace {options.trace}: a debugger decides what runs; leave out --trace or the debugger")
    try:
        out = open(options.trace, "w")
    except (OSError, ValueError) as error:
        raise _unwritable(options, error) from None
    try:
        yield out
        try:
            out.flush()
        except OSError as error:
            raise _unwritable(options, error) from None
    finally:
        with suppress(OSError):                             # a full disk has been told
            out.close()


def _unwritable(options: Namespace, error: Exception) -> ConfigError:
    reason = error.strerror if isinstance(error, OSError) else error
    return ConfigError(f"--trace {options.trace}: cannot be written: {reason}; give a file that can")


@contextmanager
def open_keyboard(options: Namespace, run: Run) -> Iterator[None]:
    person = interactive(options.serial) and not options.json
    silent = options.json and options.serial == "stdio"
    console, keyboard = _keys_only() if silent else open_console(options.serial), run.keyboard
    if isinstance(console, PtyConsole):
        print(f"vmm: console: {console.path}", file=sys.stderr, flush=True)
    keyboard.connect(console, SystemMonitor(run.system) if person else None)
    try:
        with raw(person):
            yield
            if person:
                keyboard.own_line()                         # what is said next is said by others
            keyboard.flush()
    finally:
        keyboard.close()


def _keys_only() -> Console:
    """Standard input without standard output, which is for the JSON object."""
    return StreamConsole("--serial stdio", io.BytesIO(), keys())
