"""The cluster power controller (CPC): which cores have power, and which of their VPs run.

A VP runs while its core has power and its bit of VP_RUN is set; it begins, out of reset, when both have become true, and
again when its core is reset.  Each cluster has such a controller, which also gives power to the cluster's coherence
manager, "core" 32.  ``master`` is the CPU whose access the next one is; whoever passes accesses on says it.
Invariant: a command is complete when the store is; a core is up (U6), down (D0) or without clock (D2), never between; the
manager is up (U5) as soon as any core was.
(MIPS multiprocessing system programmer's guides, Cluster Power Controller; Linux, power_up_other_cluster)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vmm.engine.engine import MAX_CPUS
from vmm.guest.devices.window import Window, bits, copied, words
from vmm.host.machine.topology import Topology

SPAN, LOCAL, OTHER = 0x8000, 0x2000, 0x4000
CLOCK_OFF, POWER_DOWN, POWER_UP, RESET = 1, 2, 3, 4
D0, U5, U6, D2 = 0, 6, 7, 10
MANAGER = 32
SEQUENCER = 19                                              # in STAT_CONF
CAN_POWER_DOWN, CAN_STOP_CLOCK = 1 << 16, 1 << 17


class Cpc:
    regs = Window(span=SPAN, pairs=True)

    @dataclass(slots=True)
    class State:
        access: int = bits(8, 0xFF)
        sequencer: list[int] = words(MAX_CPUS, 4)          # by core
        command: list[int] = words(MAX_CPUS, 4)
        run: int = bits(MAX_CPUS)                          # by CPU
        manager: int = bits(4)                             # sequencer of the coherence manager
        order: int = bits(2)                               # of bytes, for cores that come up; kept

    def __init__(self, topology: Topology, chosen_core: Callable[[int], int], begin: Callable[[int], None],
                 end: Callable[[int], None], config: Callable[[], int] = lambda: 0, boots: bool = True) -> None:
        """``chosen_core``: of which core a CPU sees the registers in the other block.  ``begin`` lets a CPU run, out of
        reset; ``end`` stops it.  ``config``: GCR_CONFIG, which can be read here while its manager is down.  ``boots``: the
        first CPU runs."""
        self._topology, self._chosen_core, self._begin, self._end = topology, chosen_core, begin, end
        self._config = config
        self.master = 0
        self.state = self.State()
        if boots:
            self.state.sequencer[0], self.state.run, self.state.manager = U6, 1, U5

    def runs(self, cpu: int) -> bool:
        place = self._topology.place(cpu)
        return bool(self.state.run >> cpu & 1) and self.state.sequencer[place.core] == U6

    # -- of a core -----------------------------------------------------------------------------------------------------
    def _core(self, other: bool) -> int:
        return self._chosen_core(self.master) if other else self._topology.place(self.master).core

    def _vps(self, core: int) -> range:
        first = core * self._topology.vps
        return range(first, first + self._topology.vps_of(core))

    def _command(self, core: int, command: int) -> None:
        state, before = self.state, self.state.sequencer[core]
        state.command[core] = command
        if command in (POWER_DOWN, CLOCK_OFF):
            self._sequence(core, D0 if command == POWER_DOWN else D2)
        elif command == RESET or (command == POWER_UP and before != U6):
            self._sequence(core, D0)
            self._sequence(core, U6)

    def _sequence(self, core: int, to: int) -> None:
        for cpu in self._vps(core):
            if self.runs(cpu) and to != U6:
                self._end(cpu)
        self.state.sequencer[core] = to
        if to == U6:
            self.state.manager = U5
        for cpu in self._vps(core):
            if self.runs(cpu):
                self._begin(cpu)

    def _set_run(self, core: int, vps: int, run: bool) -> None:
        for vp, cpu in enumerate(self._vps(core)):
            if vps >> vp & 1 and run != bool(self.state.run >> cpu & 1):
                before = self.runs(cpu)
                self.state.run ^= 1 << cpu
                if self.runs(cpu):
                    self._begin(cpu)
                elif before:
                    self._end(cpu)

    def _running(self, core: int) -> int:
        return sum(1 << vp for vp, cpu in enumerate(self._vps(core)) if self.runs(cpu))

    # -- registers -----------------------------------------------------------------------------------------------------
    @regs.read(0x000)
    def access(self) -> int:
        return self.state.access

    @regs.write(0x000)
    def set_access(self, value: int) -> None:
        self.state.access = value & 0xFF

    @regs.read(0x020)
    def revision(self) -> int:
        return 0

    @regs.read(0x030)
    def manager_is_up(self) -> int:
        return int(self.state.manager == U5)

    @regs.write(0x030)
    def power_manager_up(self, value: int) -> None:
        """PWRUP_CTL."""
        if value & 1:
            self.state.manager = U5

    @regs.read(0x138)
    def config(self) -> int:
        return self._config()

    @regs.read(0x140)
    def order(self) -> int:
        return self.state.order

    @regs.write(0x140)
    def set_order(self, value: int) -> None:
        """SYS_CONFIG."""
        self.state.order = value & 3

    # -- snapshots -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        """The CPUs themselves are restored by whoever has them."""
        self.state = copied(state)


def _block(base: int, other: bool) -> None:
    """The registers of a core: its own, or those of the core that the CPU chose."""
    def existing(action: Callable[..., Any]) -> Callable[..., Any]:         # Any: an int for a read
        def call(cpc: Cpc, *value: int) -> Any:
            core = cpc._core(other)
            if core == MANAGER and action is stat_conf:
                return cpc.state.manager << SEQUENCER | CAN_POWER_DOWN
            return action(cpc, core, *value) if cpc._topology.vps_of(core) else 0
        call.__name__ = f"{'other' if other else 'own'}_{action.__name__}"
        return call

    def cmd(cpc: Cpc, core: int, *value: int) -> int:
        if value:
            cpc._command(core, value[0] & 0xF)
        return cpc.state.command[core]

    def stat_conf(cpc: Cpc, core: int) -> int:
        return cpc.state.sequencer[core] << SEQUENCER | CAN_POWER_DOWN | CAN_STOP_CLOCK | cpc.state.command[core]

    def vp_stop(cpc: Cpc, core: int, value: int) -> None:
        cpc._set_run(core, value, False)

    def vp_run(cpc: Cpc, core: int, value: int) -> None:
        cpc._set_run(core, value, True)

    def vp_running(cpc: Cpc, core: int) -> int:
        return cpc._running(core)

    read, write = Cpc.regs.read, Cpc.regs.write
    for table, offset, action in ((read, 0x00, cmd), (write, 0x00, cmd), (read, 0x08, stat_conf), (write, 0x20, vp_stop),
                                  (write, 0x28, vp_run), (read, 0x30, vp_running)):
        table(base + offset)(existing(action))


_block(LOCAL, False)
_block(OTHER, True)
