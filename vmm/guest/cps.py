"""The coherent processing system around the CPUs of a machine: coherence managers, power and interrupt controllers.

Each cluster has one of each.  A CPU sees those of its own cluster: the CM's registers where CMGCRBase says, those of CPC
and GIC where the CM's say, once they are enabled; RAM, where there is some, lies on top.  Through the blocks of others it
reaches all clusters (``gcr.Redirect``).  Until the GIC of the first cluster is enabled, the board's interrupt lines reach
the first CPU as on a board without one; from then on they are that GIC's.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from vmm.arch.cp0.registers import Cause, CMGCRBase, Config3
from vmm.engine.cpu import Cpu
from vmm.guest.bus import Bus
from vmm.guest.clock import BoardClock
from vmm.guest.devices import cpc, gcr, gic
from vmm.guest.devices.window import Stateful
from vmm.host.kernel.timers import TimerQueue
from vmm.host.machine import Machine
from vmm.host.machine.topology import Topology

FIRST_LINE = 2
"""The CPU's interrupt line that pin 0 of the GIC is."""
INPUT_OF_LINE = 1
"""Malta: what is line n without a GIC, is its shared interrupt n + 1."""
CPC_AT, GIC_AT = 1 << 20, 2 << 20
"""Where they are on the cluster's own bus; the GCR is at 0."""
DEVICE = -1 << 20
"""The bits of a place on that bus that say which."""
GLOBAL_HIGH = 0x4000
GIC_BLOCKS = {gcr.IN_LOCAL: gic.LOCAL, gcr.IN_GLOBAL: 0, gcr.IN_USER: gic.USER, gcr.IN_GLOBAL_HIGH: GLOBAL_HIGH}
"""Where the GIC has what its block of others shows."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """``first``: the number of its first CPU; on its devices CPUs have numbers from 0."""
    first: int
    topology: Topology
    gcr: gcr.Gcr
    cpc: cpc.Cpc
    gic: gic.Gic
    bus: Bus

    def find(self, physical: int) -> int | None:
        """The place on the bus, or None if it is none of these registers."""
        base = self.gcr.state.base
        if 0 <= physical - base < gcr.SPAN:
            return physical - base
        for place, span, at in ((self.gcr.gic_at, gic.SPAN, GIC_AT), (self.gcr.cpc_at, cpc.SPAN, CPC_AT)):
            if place is not None and 0 <= physical - place < span:
                return at + physical - place
        return None

    def be_accessed(self, by: int, redirect: int | None) -> None:
        self.gcr.master = self.cpc.master = self.gic.master = by
        self.gcr.redirect = redirect


@dataclass(frozen=True, slots=True)
class Access:
    """A place on the bus of a cluster, as that CPU of it would access it, or another with the ``redirect`` it chose."""
    cluster: Cluster
    at: int
    by: int
    redirect: int | None = None


class Cps:
    def __init__(self, machine: Machine, now_ns: Callable[[], int], run_ahead: Callable[[int], None],
                 reset: Callable[[int], None]) -> None:
        """``now_ns``: of the CPU that executes.  ``reset``: the watchdog of this CPU asks for it."""
        self._machine, self._reset = machine, reset
        self.timers = tuple(TimerQueue() for _ in machine.cpus)
        clocks = [BoardClock(queue, now_ns, run_ahead) for queue in self.timers]
        self.clusters = tuple(self._cluster(n, clocks) for n in range(machine.topology.clusters))
        self._lines = 0                                     # of the board

    def _cluster(self, number: int, clocks: list[BoardClock]) -> Cluster:
        machine, (first, topology) = self._machine, self._machine.topology.cluster(number)
        manager = gcr.Gcr(topology, machine.model.reset(CMGCRBase) << 4, machine.model.cm, number,
                          machine.topology.clusters, partial(self._moved, number))
        power = cpc.Cpc(topology, manager.chosen_core, partial(self._begin, number), partial(self._end, first),
                        manager.config, boots=number == 0)
        interrupts = gic.Gic(clocks[first:first + topology.cpus], partial(self._drive, first),
                             partial(self._interrupt_for_sure, first), lambda vp: self._reset(first + vp),
                             Controlled(machine.cpus[first:first + topology.cpus]))
        bus = Bus(machine.big_endian)
        for at, device in ((0, manager), (CPC_AT, power), (GIC_AT, interrupts)):
            bus.attach(at, device)
        return Cluster(first, topology, manager, power, interrupts, bus)

    @property
    def gic(self) -> gic.Gic:
        """Of the first cluster: the board's."""
        return self.clusters[0].gic

    @property
    def stateful(self) -> dict[str, Stateful]:
        found: dict[str, Stateful] = {}
        for number, cluster in enumerate(self.clusters):
            name = str(number or "")
            found |= {f"gcr{name}": cluster.gcr, f"cpc{name}": cluster.cpc, f"gic{name}": cluster.gic,
                      f"counter{name}": cluster.gic.counter, f"watchdogs{name}": cluster.gic.watchdogs}
        return found

    # -- accesses --------------------------------------------------------------------------------------------------------
    def port(self, cpu: Cpu) -> Port:
        """What this CPU sees of it."""
        return Port(self, cpu.number)

    def cluster_of(self, cpu: int) -> Cluster:
        return self.clusters[self._machine.topology.place(cpu).cluster]

    def find(self, physical: int, cpu: int) -> int | None:
        """The place on the bus of the CPU's cluster, or None if it is none of these registers."""
        return self.cluster_of(cpu).find(physical)

    def load(self, cpu: int, at: int, size: int) -> int:
        access = self._access(cpu, at)
        if access is None:
            return 0
        access.cluster.be_accessed(access.by, access.redirect)
        return access.cluster.bus.load(access.at, size)

    def store(self, cpu: int, at: int, size: int, value: int) -> None:
        access, board = self._access(cpu, at), self.clusters[0]
        if access is None:
            return
        access.cluster.be_accessed(access.by, access.redirect)
        enabled = board.gcr.gic_at is not None
        access.cluster.bus.store(access.at, size, value)
        if not enabled and board.gcr.gic_at is not None:
            self._take_lines()

    def _access(self, cpu: int, at: int) -> Access | None:
        """Where it goes: to the CPU's own cluster, or where it chose to see others; None if there is nothing."""
        own = self.cluster_of(cpu)
        by, offset = cpu - own.first, at & ~DEVICE
        is_gic = at & DEVICE == GIC_AT
        start, end = (gic.OTHER, gic.USER) if is_gic else (gcr.OTHER, gcr.OTHER + gcr.LOCAL)
        chosen = own.gcr.redirect_of(by)
        if not start <= offset < end or (not chosen.gic if is_gic else chosen.cluster is None and not chosen.block):
            return Access(own, at, by)
        if chosen.cluster is not None and chosen.cluster >= len(self.clusters):
            return None
        there = own if chosen.cluster is None else self.clusters[chosen.cluster]
        if is_gic:
            vp = there.topology.number(chosen.core, chosen.vp) if chosen.block == gcr.IN_LOCAL else 0
            return None if vp is None else Access(there, GIC_AT + GIC_BLOCKS[chosen.block] + offset - start, vp)
        if chosen.block not in (gcr.IN_LOCAL, gcr.IN_GLOBAL):
            return None
        return Access(there, at if chosen.block == gcr.IN_LOCAL else at - start, 0, chosen.value)

    # -- interrupts --------------------------------------------------------------------------------------------------------
    def set_line(self, line: int, level: bool) -> None:
        """An interrupt line of the board, as the CPU numbers them."""
        bit, board = 1 << line, self.clusters[0]
        self._lines = self._lines | bit if level else self._lines & ~bit
        if board.gcr.gic_at is None:
            self._machine.cpus[0].set_interrupt(line, level)
        else:
            board.gic.set_line(line + INPUT_OF_LINE, level)

    def _take_lines(self) -> None:
        """The GIC is enabled: what was the first CPU's is its own."""
        for line in range(2, 8):
            self._machine.cpus[0].set_interrupt(line, False)
            self.gic.set_line(line + INPUT_OF_LINE, bool(self._lines >> line & 1))
        self.gic.renew(0)

    def _drive(self, first: int, vp: int, pin: int, level: bool) -> None:
        self._machine.cpus[first + vp].set_interrupt(pin + FIRST_LINE, level)

    def _interrupt_for_sure(self, first: int, vp: int) -> None:
        self._machine.cpus[first + vp].state.nmi = 1

    # -- power -------------------------------------------------------------------------------------------------------------
    def runs(self, cpu: int) -> bool:
        cluster = self.cluster_of(cpu)
        return cluster.cpc.runs(cpu - cluster.first)

    def _begin(self, cluster: int, number: int) -> None:
        """Out of reset; the lines are others' and stay."""
        own = self.clusters[cluster]
        cpu = self._machine.cpus[own.first + number]
        lines = cpu.state.irq_lines
        cpu.reset(own.gcr.reset_address(number))
        cpu.state.irq_lines = lines
        cpu.root[CMGCRBase] = own.gcr.state.base >> 4
        own.gic.renew(number)

    def _end(self, first: int, number: int) -> None:
        self._machine.cpus[first + number].state.halted = 1

    def _moved(self, cluster: int, base: int) -> None:
        """CPUs show where their manager is."""
        own = self.clusters[cluster]
        for cpu in self._machine.cpus[own.first:own.first + own.topology.cpus]:
            cpu.root[CMGCRBase] = base >> 4


class Controlled:
    """The CPUs of a cluster, as its GIC needs them in EIC mode."""

    def __init__(self, cpus: Sequence[Cpu]) -> None:
        self._cpus = cpus

    def show_controller(self, vp: int, there: bool) -> None:
        """What its lines were is no level, and the other way round."""
        root = self._cpus[vp].root
        if there != bool(root[Config3] & Config3.VEIC.mask):
            root[Config3] ^= Config3.VEIC.mask
            self.request(vp, 0)

    def request(self, vp: int, level: int) -> None:
        self._cpus[vp].set_external_interrupt(level)

    def set_own_levels(self, vp: int, levels: Sequence[int]) -> None:
        self._cpus[vp].set_eic_levels(*levels)

    def own_pending(self, vp: int) -> int:
        cause = self._cpus[vp].move_from(Cause)
        return Cause.TI.of(cause) << 2 | Cause.PCI.of(cause) << 3 | Cause.IPsw.of(cause) << 4


class Port:
    """One CPU's way to these registers."""

    def __init__(self, cps: Cps, number: int) -> None:
        self._cps, self._number, self._at = cps, number, 0
        self._cluster = cps.cluster_of(number)

    def covers(self, physical: int) -> bool:
        at = self._cluster.find(physical)
        self._at = at or 0
        return at is not None

    def load(self, _physical: int, size: int) -> int:
        """Of the address for which ``covers`` was asked last."""
        return self._cps.load(self._number, self._at, size)

    def store(self, _physical: int, size: int, value: int) -> None:
        self._cps.store(self._number, self._at, size, value)
