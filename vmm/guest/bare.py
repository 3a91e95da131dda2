"""An image on the machine itself, with no hypervisor: the board's devices hang on the machine's bus.

The devices that a core has itself, and what is between CPUs, come first (``vmm.guest.cdmm``, ``vmm.guest.cps``).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vmm.arch.cp0.registers import Status
from vmm.arch.state import OFFSET
from vmm.arch.stops import Stop
from vmm.engine.cpu import Cpu
from vmm.guest.board import Kind
from vmm.guest.bus import BusError
from vmm.guest.cdmm import DeviceMap
from vmm.guest.clock import BoardClock
from vmm.guest.console import Console
from vmm.guest.cps import Cps, Port
from vmm.guest.devices.window import Stateful
from vmm.guest.system import BoardState, Ending, Interrupted, Request, check, memory_pieces, plan_boot
from vmm.host.kernel.timers import TimerQueue
from vmm.host.machine import NS_PER_TICK, Machine, Piece
from vmm.host.machine.turns import BARE_QUANTUM_TICKS, Turns

if TYPE_CHECKING:                                           # there is no hypervisor here
    from vmm.kvm.vcpu import Vcpu

TICKS, STOP_ADDRESS, STOP_SIZE, STOP_VALUE = (
    OFFSET[name] for name in ("ticks", "stop_address", "stop_size", "stop_value"))
DEBUG_STOPS = (Stop.BREAK, Stop.WATCH, Stop.STEP)


class BareSystem:
    def __init__(self, request: Request, console: Console) -> None:
        check(request)
        self.request = request
        self.ending: Ending | None = None
        pieces, rom_at = _pieces(request)
        size = rom_at + (request.board.rom_size if any(piece.read_only for piece in pieces) else 0)
        self.machine = Machine(request.cpu, request.topology or request.host_cpus, size, request.image.big_endian,
                               request.engine, pieces)
        self.device_maps = tuple(DeviceMap(cpu) for cpu in self.machine.cpus)
        self.cps = Cps(self.machine, self._now_ns, self._run_ahead, self._watchdog) if request.cpu.cm else None
        self._ports: tuple[Sequence[Port | DeviceMap], ...] = tuple(
            [own] if self.cps is None else [own, self.cps.port(own.cpu)] for own in self.device_maps)
        self.timers = TimerQueue()
        self.turns = Turns(request.quantum or BARE_QUANTUM_TICKS, request.seed)
        self._running: Cpu | None = None               # whose instruction it is that a device answers
        clock = BoardClock(self.timers, self._now_ns, self._run_ahead)
        self.board = BoardState(request, console, clock, self.machine.ram, self._interrupt, self._finish,
                                lambda: self.machine.retired)
        self._load(rom_at)

    def _load(self, rom_at: int) -> None:
        """Firmware's work: the image and its arguments in RAM, the first CPU at the entry, out of reset."""
        plan, request = plan_boot(self.request), self.request
        backing = self.machine.memory.block.bytes
        rom = request.board.rom(request.image.big_endian, request.flash)
        backing[rom_at:rom_at + len(rom)] = rom
        for physical, data in plan.writes:
            self.machine.ram.write(physical, data)
        first, *others = self.machine.cpus
        for number, value in plan.registers.items():
            first.gpr[number] = value
        first.root[Status] &= ~Status.ERL.mask
        first.pc = plan.pc
        first.refresh()
        for cpu in others:
            cpu.state.halted = 1                       # until the power controller, if there is one, starts them

    # -- what the board reaches ----------------------------------------------------------------------------------------
    def _interrupt(self, pin: int, level: bool) -> None:
        if self.cps is None:
            self.machine.cpus[0].set_interrupt(pin, level)
        else:
            self.cps.set_line(pin, level)

    def _watchdog(self, cpu: int) -> None:
        self._finish(Ending(1, f"the watchdog of CPU {cpu} resets the machine", fault=True))

    def _finish(self, ending: Ending) -> None:
        self.ending = self.ending or ending

    # -- time ----------------------------------------------------------------------------------------------------------
    def _now_ns(self) -> int:
        """Of the CPU that executes; between two turns, of the one that is behind."""
        cpu = self._running
        return (min(c.ticks for c in self.machine.cpus) if cpu is None else cpu.ticks) * NS_PER_TICK

    def _run_ahead(self, to_ns: int) -> None:
        """No further than the CPU's turn if there are others, its own timer, or the next alarm."""
        cpu = self._running
        if cpu is None:
            return
        limits = [_ticks(to_ns)]
        if len(self.machine.cpus) > 1:
            limits.append(self.turns.end(cpu.ticks))
        if (alarm := self._alarm_ns(cpu)) is not None:
            limits.append(_ticks(alarm))
        cpu.pass_time(min(limits))

    def _alarm_ns(self, cpu: Cpu) -> int | None:
        """The next alarm of a device, of those that come by this CPU's time."""
        common = self.timers.next_ns()
        own = None if self.cps is None else self.cps.timers[cpu.number].next_ns()
        return common if own is None else own if common is None else min(common, own)

    def _fire(self, cpu: Cpu) -> None:
        now = cpu.ticks * NS_PER_TICK
        self.timers.fire_due(now)
        if self.cps is not None:
            self.cps.timers[cpu.number].fire_due(now)

    def _limit(self, cpu: Cpu, end: int) -> int:
        """Where this CPU must stop next: the end of its turn, or an alarm of a device."""
        alarm = self._alarm_ns(cpu)
        return end if alarm is None else min(end, max(_ticks(alarm), cpu.ticks + 1))

    # -- running -------------------------------------------------------------------------------------------------------
    @property
    def over(self) -> bool:
        return self.ending is not None

    def run(self, until: int) -> Interrupted | None:
        """``until`` may fall into the turn of the last CPU only; so the turns are the same whatever it is."""
        cpus = self.machine.cpus
        while self.ending is None and (now := min(cpu.ticks for cpu in cpus)) < until:
            self.board.keys()
            turn = self.turns.end(now) if len(cpus) > 1 else until
            order = self.turns.order(turn, len(cpus))
            for number in order:
                stopped = self._run_cpu(cpus[number], min(turn, until) if number == order[-1] else turn)
                if stopped is not None or self.ending is not None:
                    return stopped
        return None

    def _run_cpu(self, cpu: Cpu, end: int) -> Interrupted | None:
        """A CPU's turn, or what is left of it, cut where an alarm is due."""
        self._running, words = cpu, cpu.state.words
        try:
            while self.ending is None and words[TICKS] < end:
                self._fire(cpu)
                if self.ending is not None:
                    break                              # a watchdog's doing
                if not self._executes(cpu):
                    cpu.pass_time(self._limit(cpu, end))
                    continue
                stop = cpu.run(self._limit(cpu, end))
                if stop is Stop.LOAD or stop is Stop.STORE:
                    self._access(cpu, stop)
                elif stop in DEBUG_STOPS:
                    return Interrupted(cpu.number, stop)
                elif stop is not Stop.BUDGET:
                    self._serve(cpu, stop)
            return None
        finally:
            self._running = None

    def _executes(self, cpu: Cpu) -> bool:
        """It is the first, or was started and not stopped, nor is by a sibling."""
        number = cpu.number
        return number == 0 if self.cps is None else self.cps.runs(number) and not self.machine.is_stopped(number)

    def quiet_until(self) -> int:
        cpus = [cpu for cpu in self.machine.cpus if self._executes(cpu)]
        if not all(cpu.halted for cpu in cpus):
            return 0
        alarms = [_ticks(alarm) for cpu in cpus if (alarm := self._alarm_ns(cpu)) is not None]
        return min([*(cpu.next_event for cpu in cpus), *alarms], default=0)

    def step(self, cpu: int) -> Interrupted | None:
        core = self.machine.cpus[cpu]
        self._running = core
        try:
            while self.ending is None:
                self._fire(core)
                stop = core.step()
                if stop in DEBUG_STOPS:
                    return Interrupted(cpu, stop)
                self._serve(core, stop)
            return None
        finally:
            self._running = None

    def _serve(self, cpu: Cpu, stop: Stop) -> None:
        """Do what a CPU stopped for."""
        match stop:
            case Stop.LOAD | Stop.STORE:
                self._access(cpu, stop)
            case Stop.GLOBAL_INVALIDATE:
                self.machine.invalidate_globally(cpu)
            case Stop.DOOR:
                self._finish(Ending(1, f"door {cpu.state.stop_code:#x} at {cpu.pc:#x}: there is no host kernel behind it "
                                       "on a bare machine", fault=True))
            case _:
                raise AssertionError(f"unexpected stop {stop!r}")

    def _access(self, cpu: Cpu, stop: Stop) -> None:
        """A load or store that is not memory: the CPU's own devices come first."""
        words = cpu.state.words
        at, size = words[STOP_ADDRESS], words[STOP_SIZE]
        answers: Port | DeviceMap | BoardState = self.board
        for own in self._ports[cpu.number]:
            if own.covers(at):
                answers = own
        try:
            if stop is Stop.LOAD:
                cpu.complete_load(answers.load(at, size))
            else:
                answers.store(at, size, words[STOP_VALUE])
                cpu.complete_store()
        except BusError:
            cpu.bus_error()

    # -- looking -------------------------------------------------------------------------------------------------------
    @property
    def exits(self) -> dict[str, int]:
        return {}

    @property
    def vcpus(self) -> list[Vcpu]:
        return []

    def in_guest(self, cpu: int) -> bool:
        return self.machine.cpus[cpu].in_guest

    def vcpu_on(self, cpu: int) -> Vcpu | None:
        return None

    @property
    def stateful(self) -> dict[str, Stateful]:
        own = {f"fdc{device_map.cpu.number}": device_map.fdc for device_map in self.device_maps}
        return {**own, **({} if self.cps is None else self.cps.stateful), **self.board.stateful}

    def host_code(self) -> bytes:
        return b""

    def destroy_guest(self) -> None:
        """There is none beside the machine."""


def _ticks(ns: int) -> int:
    """The first tick at or after a moment."""
    return -(-ns // NS_PER_TICK)


def _pieces(request: Request) -> tuple[tuple[Piece, ...], int]:
    """The machine's memory: RAM, and behind it in the backing the ROM, whose place is also given."""
    rom_at = -(-request.ram_size // 4096) * 4096
    pieces = tuple(Piece(base, size, offset + (rom_at if kind is Kind.ROM else 0), kind is Kind.ROM)
                   for kind, base, size, offset in memory_pieces(request))
    return pieces, rom_at
