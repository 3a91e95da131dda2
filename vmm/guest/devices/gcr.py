"""The coherence manager's global configuration registers (GCR), as a CM3 has them: topology, where CPC and GIC are, and
where VPs begin.

The caches are always coherent, so what governs that is kept and does nothing.  ``master`` is the CPU whose access the next
one is, by its number in the cluster; whoever passes accesses on says it.  Registers are of 64 bits.  Each cluster has such
a manager; a CPU reaches those of others through its blocks of others (``Redirect``): whoever passes accesses on does that,
and sets ``redirect`` to what the CPU chose.
Invariant: a CPU sees in the other block the core, or the VP of it, that it chose; if there is none, zeros.
(MIPS multiprocessing system programmer's guides, Coherence Manager; GCR_Cx_OTHER of CM3.5: Linux, mips_cm_lock_other)
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vmm.engine.engine import MAX_CPUS
from vmm.guest.devices.window import Window, bits, copied, words
from vmm.host.machine.topology import Topology

SPAN, LOCAL, OTHER = 0x8000, 0x2000, 0x4000
GIC_SPAN, CPC_SPAN = 0x2_0000, 0x8000
ENABLED = 1
CM3_REVISION, CM3_5_REVISION = 0x0800, 0x0900
CLUSTERS = 23                                               # in GCR_CONFIG; lowest is the number of cores less one
CLUSTER_ID = 32
CLUSTER_ENABLED, GIC_ENABLED = 1 << 31, 1 << 30             # in OTHER, as the next two
BLOCK, BLOCK_ONES = 24, 3
CLUSTER, CLUSTER_ONES = 16, 0x3F
IN_LOCAL, IN_GLOBAL, IN_USER, IN_GLOBAL_HIGH = range(4)
"""What the block of others shows (BLOCK)."""
L2_BYPASS = 1 << 20
CORE, CORE_ONES, VP_ONES = 8, 0x3F, 0x7                     # in OTHER
WORD, SIGN = 0xFFFF_FFFF, 1 << 31
ADDRESS_ONES = (1 << 48) - 1
RESET_BASE = 0xBFC0_0000
RESET_BASE_ONES = 0xFFFF_F000


@dataclass(frozen=True, slots=True)
class Redirect:
    """What a CPU chose to see in its blocks of others.  ``cluster``: None for its own; ``gic``: the GIC's block, too."""
    value: int
    cluster: int | None
    block: int
    core: int
    vp: int
    gic: bool


class Gcr:
    regs = Window(span=SPAN, pairs=True)

    @dataclass(slots=True)
    class State:
        access: int = bits(8, 0xFF)
        base: int = bits(48)
        gic_base: int = bits(48)
        cpc_base: int = bits(48)
        other: list[int] = words(MAX_CPUS, 32)             # by CPU
        reset_base: list[int] = words(MAX_CPUS, 32, RESET_BASE)
        coherence: list[int] = words(MAX_CPUS, 8)          # by core

    def __init__(self, topology: Topology, base: int, revision: int = CM3_REVISION, cluster: int = 0,
                 clusters: int = 1, moved: Callable[[int], None] = lambda base: None) -> None:
        """``topology`` of this cluster, which is number ``cluster`` of ``clusters``.  ``base``: where these registers are;
        ``moved`` is told where they are when software moves them."""
        self._topology, self._revision, self._cluster, self._clusters = topology, revision, cluster, clusters
        self._moved = moved
        self.master = 0
        self.redirect: int | None = None
        self.state = self.State(base=base)

    @property
    def gic_at(self) -> int | None:
        """Where the GIC is, if it is enabled."""
        base = self.state.gic_base
        return base & -GIC_SPAN if base & ENABLED else None

    @property
    def cpc_at(self) -> int | None:
        base = self.state.cpc_base
        return base & -CPC_SPAN if base & ENABLED else None

    def reset_address(self, cpu: int) -> int:
        """Where this CPU begins, in a segment that needs no TLB: sign-extended."""
        base = self.state.reset_base[cpu]
        return (base ^ SIGN) - SIGN & (1 << 64) - 1

    def _choice(self, cpu: int) -> int:
        return self.state.other[cpu] if self.redirect is None else self.redirect

    def chosen_core(self, cpu: int) -> int:
        return self._choice(cpu) >> CORE & CORE_ONES

    def redirect_of(self, cpu: int) -> Redirect:
        """Before CM3.5 a CPU chooses a core and a VP only."""
        value = self.state.other[cpu]
        ours = value if self._revision >= CM3_5_REVISION else value & 0xFFFF
        cluster = ours >> CLUSTER & CLUSTER_ONES if ours & CLUSTER_ENABLED else None
        return Redirect(value, cluster, ours >> BLOCK & BLOCK_ONES, ours >> CORE & CORE_ONES, ours & VP_ONES,
                        bool(ours & GIC_ENABLED))

    def cpu_of(self, other: bool) -> int | None:
        """Whose registers the block shows to ``master``."""
        if not other:
            return self.master
        return self._topology.number(self.chosen_core(self.master), self._choice(self.master) & VP_ONES)

    # -- the global block ----------------------------------------------------------------------------------------------
    @regs.read(0x000)
    def config(self) -> int:
        return (self._clusters if self._revision >= CM3_5_REVISION else 0) << CLUSTERS | self._topology.cores - 1

    @regs.read(0x004)
    def config_high(self) -> int:
        return self._cluster << CLUSTER_ID - 32

    @regs.read(0x020)
    def access(self) -> int:
        return self.state.access

    @regs.write(0x020)
    def set_access(self, value: int) -> None:
        self.state.access = value & 0xFF

    @regs.read(0x030)
    def rev(self) -> int:
        return self._revision

    @regs.read(0x0D0)
    @regs.read(0x0F0)
    def there(self) -> int:
        """GCR_GIC_STATUS and GCR_CPC_STATUS."""
        return 1

    @regs.read(0x130)
    def l2_config(self) -> int:
        return L2_BYPASS

    @regs.read(0x150)
    def sys_config2(self) -> int:
        """How many VPs any core has at most."""
        return self._topology.vps

    # -- snapshots -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)


def _place_of(offset: int, name: str, ones: int) -> None:
    """An address of 48 bits, in two halves."""
    for half in (0, 32):
        def load(gcr: Gcr, half: int = half) -> int:
            return int(getattr(gcr.state, name)) >> half & WORD

        def store(gcr: Gcr, value: int, half: int = half) -> None:
            setattr(gcr.state, name, (getattr(gcr.state, name) & ~(WORD << half) | value << half) & ones)
            gcr._moved(gcr.state.base)

        load.__name__, store.__name__ = name, f"set_{name}"
        Gcr.regs.read(offset + half // 8)(load)
        Gcr.regs.write(offset + half // 8)(store)


def _block(base: int, other: bool) -> None:
    """The registers of a core or VP: its own, or those of the one that the CPU chose."""
    def of_cpu(action: Callable[..., Any]) -> Callable[..., Any]:           # Any: an int for a read
        def call(gcr: Gcr, *value: int) -> Any:
            cpu = gcr.cpu_of(other)
            return 0 if cpu is None else action(gcr, cpu, *value)
        call.__name__ = f"{'other' if other else 'own'}_{action.__name__}"
        return call

    def coherence(gcr: Gcr, cpu: int, *value: int) -> int:
        core = gcr._topology.place(cpu).core
        if value:
            gcr.state.coherence[core] = value[0] & 0xFF
        return gcr.state.coherence[core]

    def config(gcr: Gcr, cpu: int) -> int:
        return gcr._topology.vps_of(gcr._topology.place(cpu).core) - 1

    def choice(gcr: Gcr, cpu: int, *value: int) -> int:
        if value:
            gcr.state.other[cpu] = value[0]
        return gcr.state.other[cpu]

    def reset_base(gcr: Gcr, cpu: int, *value: int) -> int:
        if value:
            gcr.state.reset_base[cpu] = value[0] & RESET_BASE_ONES
        return gcr.state.reset_base[cpu]

    def reset_base_high(gcr: Gcr, cpu: int) -> int:
        return gcr.reset_address(cpu) >> 32

    def identity(gcr: Gcr, cpu: int) -> int:
        place = gcr._topology.place(cpu)
        return gcr._cluster << 8 | place.core

    read, write = Gcr.regs.read, Gcr.regs.write
    for offset, action, writable in ((0x08, coherence, True), (0x10, config, False), (0x18, choice, True),
                                     (0x20, reset_base, True), (0x24, reset_base_high, False), (0x28, identity, False)):
        read(base + offset)(of_cpu(action))
        if writable:
            write(base + offset)(of_cpu(action))


_place_of(0x008, "base", ADDRESS_ONES & -SPAN)
_place_of(0x080, "gic_base", ADDRESS_ONES & -GIC_SPAN | ENABLED)
_place_of(0x088, "cpc_base", ADDRESS_ONES & -CPC_SPAN | ENABLED)
_block(LOCAL, False)
_block(OTHER, True)
