"""A machine with a guest on it, as the command line and the debugger drive it.

``System`` is what both ways to run have in common: a bare machine (``vmm.guest.bare``) and one with the hypervisor
(``vmm.guest.hypervised``).  Invariant: everything that comes from outside, keys and debugger writes, enters between two
calls of ``run`` or ``step``, so the same calls give the same run.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from vmm.arch.cp0.registers import Config5
from vmm.arch.models import CpuModel
from vmm.arch.stops import Stop
from vmm.errors import ConfigError
from vmm.guest.board import Board, Built, Kind
from vmm.guest.boot import Boot, BootRequest, boot
from vmm.guest.bus import BusError
from vmm.guest.cards import DiskCard
from vmm.guest.clock import BoardClock
from vmm.guest.console import Console
from vmm.guest.devices.malta_fpga import MaltaFpga
from vmm.guest.devices.window import Stateful
from vmm.guest.disk import Disk
from vmm.guest.image import Image
from vmm.guest.inputlog import InputLog
from vmm.guest.outside import Card, Memory, Opened, Outside, Source
from vmm.guest.placement import Mode
from vmm.host.machine import NS_PER_TICK, Machine
from vmm.host.machine.topology import Topology

if TYPE_CHECKING:                                           # bare runs need no hypervisor
    from vmm.kvm.vcpu import Vcpu

SWITCHED_ON = datetime(2023, 6, 10, 12, 0, 0)
"""The date and time at which every run begins, so that runs are alike."""

LEAST_MIGRATION_US = 20
"""A loop of LL and SC must get through between two changes of CPU."""

FIRST_WITHOUT_OLD_CODE = 6
"""The release that gave old encodings new meanings."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, and on what.  ``page_shift``: of the host kernel's pages; None for the mode's own default.
    ``quantum``, ``seed``: see ``Turns``; None for what is usual.  ``migrate``: the virtual microseconds after which
    vCPUs change CPUs, or 0."""
    image: Image
    mode: Mode
    cpu: CpuModel
    board: Board
    ram_size: int
    host_cpus: int = 1
    topology: Topology | None = None                        # of the host's CPUs; None: one cluster of full cores
    cpus: int = 1
    command_line: str = ""
    initrd: bytes = b""
    dtb: bytes = b""                                        # a device tree, which the boot then passes
    flash: bytes = b""                                      # what is in it, and so in the boot ROM
    engine: str = "native"
    page_shift: int | None = None
    start: datetime = SWITCHED_ON
    disks: tuple[Disk, ...] = ()                            # on IDE
    cards: tuple[Card, ...] = ()                            # in PCI slots
    quantum: int | None = None
    seed: int = 0
    host_mmids: bool = False
    migrate: int = 0

    @property
    def all_disks(self) -> list[Disk]:
        return [*self.disks, *(card.disk for card in self.cards if isinstance(card, DiskCard))]

    def close(self) -> None:
        """Its disks are free for others, with all that was written on them; its consoles have said all; ports are free."""
        for disk in self.all_disks:
            disk.close()
        for card in self.cards:
            if isinstance(card, Opened):
                card.close()


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the guest is over: it stopped itself with a status, or (``fault``) cannot go on."""
    status: int
    text: str
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A debugger's stop on a CPU; the next ``run`` or ``step`` goes on from there."""
    cpu: int
    stop: Stop


class System(Protocol):
    request: Request
    machine: Machine
    ending: Ending | None
    board: BoardState

    @property
    def exits(self) -> dict[str, int]:
        """Exits of all vCPUs by cause; empty on a bare machine."""

    @property
    def vcpus(self) -> list[Vcpu]:
        """The vCPUs of the guest; none on a bare machine."""

    @property
    def over(self) -> bool:
        """It has its ending, and so have all other guests of its host."""

    def run(self, until: int) -> Interrupted | None:
        """Run all CPUs to the absolute tick ``until``; earlier if it is ``over`` or a debugger's stop comes."""

    def quiet_until(self) -> int:
        """No instruction is executed before this tick, but by input; a tick that has passed if one may be at once."""

    def step(self, cpu: int) -> Interrupted | None:
        """One instruction of that CPU, whatever it executes; what is Python in between is done on the way."""

    def in_guest(self, cpu: int) -> bool:
        """The CPU executes instructions of the guest."""

    def vcpu_on(self, cpu: int) -> Vcpu | None:
        """The vCPU whose KVM_RUN this CPU is in."""

    @property
    def stateful(self) -> dict[str, Stateful]:
        """All devices that a snapshot has to keep, memory and disks aside; to be restored in this order."""

    def host_code(self) -> bytes:
        """The host's own code as an ELF image with symbols; empty on a bare machine."""

    def destroy_guest(self) -> None:
        """End the guest, and only it."""


class BoardState:
    """The devices of a board with their surroundings: console, interrupt pins, and the end."""

    def __init__(self, request: Request, console: Console, clock: BoardClock, memory: Memory,
                 interrupt: Callable[[int, bool], None], finish: Callable[[Ending], None],
                 retired: Callable[[], int]) -> None:
        self.console, self.clock, self._interrupt, self._finish = console, clock, interrupt, finish
        self.input = InputLog(lambda: (clock.now_ns() // NS_PER_TICK, retired()))
        self._pins: dict[int, bool] = {}
        self._console_port, self._disks = request.board.console, request.all_disks
        outside = Outside(request.image.big_endian, clock, memory, request.start, self._pin, self._transmit,
                          self._reset, self._power_off, request.disks, request.cards, self.input)
        self.built: Built = request.board.build(outside)
        self._type = self.input.entrance(self._console_port, self.built.uart(self._console_port).receive)

    @property
    def stateful(self) -> dict[str, Stateful]:
        """What there is of the board."""
        return {"clock": self.clock, **self.built.devices}

    @property
    def sources(self) -> Sequence[Source]:
        """Where a card's input comes from, if that is outside the simulation."""
        return self.built.chipset.sources

    def _pin(self, pin: int, level: bool) -> None:
        """Only changes reach the CPU; nothing on this board shares a pin."""
        if self._pins.get(pin, False) != level:
            self._pins[pin] = level
            self._interrupt(pin, level)

    def _transmit(self, port: str, byte: int) -> None:
        if port == self._console_port:
            self.console.put(byte)

    def _reset(self) -> None:
        """SOFTRES: the end of a run.  The status is what the guest left in the ASCII display (firmware/README.md)."""
        fpga = self.built.devices["fpga"]
        assert isinstance(fpga, MaltaFpga)
        status = fpga.state.ascii_word & 0xFF
        self._end(Ending(status, "the guest reset the board"))

    def _power_off(self) -> None:
        self._end(Ending(0, "the guest powered the board off"))

    def _end(self, ending: Ending) -> None:
        """As a disk without power keeps what it has, so does an image."""
        for disk in self._disks:
            with suppress(OSError):                         # the user was told
                disk.flush()
        self._finish(ending)

    def keys(self) -> None:
        """Let what was typed reach the console's port, and the cards what has come for them."""
        self.built.chipset.attend()
        if typed := self.console.poll():
            self._type(typed)

    def load(self, address: int, size: int) -> int:
        """Raises ``BusError``."""
        return self.built.bus.load(address, size)

    def store(self, address: int, size: int, value: int) -> None:
        self.built.bus.store(address, size, value)


def plan_boot(request: Request) -> Boot:
    return boot(BootRequest(request.image, request.mode, request.ram_size, request.command_line, request.initrd,
                            request.board, request.dtb))


def check(request: Request) -> None:
    """What an image asks of a core."""
    image, cpu = request.image, request.cpu
    if image.bits > cpu.bits:
        raise ConfigError(f"{image.path}: a {image.bits}-bit image, and --cpu {cpu.name} is a {cpu.bits}-bit core; "
                          "choose a 64-bit one, such as 5KEf (bare) or MIPS64R5-generic (vz)")
    if image.isa.release > cpu.release:
        raise ConfigError(f"{image.path}: compiled for release {image.isa.release}, and --cpu {cpu.name} is of release "
                          f"{cpu.release}; compile for an older release or choose a newer core")
    if image.isa.last < cpu.release:
        raise ConfigError(f"{image.path}: compiled for release {image.isa.release}, and --cpu {cpu.name} is of release "
                          f"{cpu.release}, which has other encodings; compile for release 6 or choose an older core")
    if request.mode == "bare" and request.cpus > 1 and not cpu.cm:
        raise ConfigError(f"-c {request.cpus} --mode bare --cpu {cpu.name}: this core has no coherence manager, so nothing "
                          "could start the other CPUs; choose I6400 or I6500, or leave -c out")
    if request.host_mmids:
        if request.mode == "bare":
            raise ConfigError("--host-mmids --mode bare: a bare machine has no host kernel that could use them; leave out "
                              "--host-mmids")
        check_mmids(cpu)
    if request.migrate:
        check_migration(request)
    if request.mode == "vz" and "VZ" not in cpu.ases:
        raise ConfigError(f"--mode vz --cpu {cpu.name}: this core has no virtualization (VZ); choose P5600 (32-bit) or "
                          "MIPS64R5-generic (64-bit), or --mode te or bare")


def check_migration(request: Request) -> None:
    option = f"--migrate {request.migrate}"
    if request.mode == "bare":
        raise ConfigError(f"{option} --mode bare: a bare machine has no vCPUs that could change CPUs; leave out --migrate")
    if request.host_cpus < 2:
        raise ConfigError(f"{option}: the host has one CPU, so vCPUs have nowhere to go; give --host-cpus 2 or more")
    if request.migrate < LEAST_MIGRATION_US:
        raise ConfigError(f"{option}: vCPUs would hardly do anything else; give {LEAST_MIGRATION_US} or more")


def check_mmids(cpu: CpuModel) -> None:
    """What a host with MMIDs asks of a core (HM-6, HM-7)."""
    if cpu.bits != 64 or not cpu.write_mask(Config5) & Config5.MI.mask:
        raise ConfigError(f"--host-mmids --cpu {cpu.name}: this core has no MMIDs (Config5.MI); choose I6500, or leave "
                          "--host-mmids out")


def memory_pieces(request: Request) -> tuple[tuple[Kind, int, int, int], ...]:
    """(kind, physical base, size, offset in its backing) of the RAM and ROM of the board."""
    found = request.board.regions(request.ram_size)
    return tuple((r.kind, r.base, r.size, r.offset) for r in found if r.kind in (Kind.RAM, Kind.ROM))


__all__ = ["BoardState", "BusError", "Ending", "Interrupted", "Request", "System"]
