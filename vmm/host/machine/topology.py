"""Which CPU is which virtual processor (VP) of which core of which cluster.

CPUs are numbered through the VPs of a core, the cores of a cluster, the clusters.  Invariant: all cores but the last have
as many VPs as the kind of core allows.  (MIPS I6400 and I6500 multiprocessing system programmer's guides; GlobalNumber:
MD00090)
"""
from __future__ import annotations

from dataclasses import dataclass

from vmm.arch.cp0.registers import GlobalNumber
from vmm.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Vp:
    cluster: int
    core: int
    vp: int

    @property
    def global_number(self) -> int:
        return GlobalNumber.Cluster.at(self.cluster) | GlobalNumber.Core.at(self.core) | GlobalNumber.VP.at(self.vp)


@dataclass(frozen=True, slots=True)
class Topology:
    """``cpus`` in one cluster of cores of ``vps`` VPs each."""
    cpus: int
    vps: int = 1

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.vps < 1:
            raise ConfigError(f"{self.cpus} CPUs in cores of {self.vps} VPs: there must be one of each at least")

    @property
    def cores(self) -> int:
        return -(-self.cpus // self.vps)

    def vps_of(self, core: int) -> int:
        """How many VPs that core has; 0 if there is no such core."""
        return max(0, min(self.vps, self.cpus - core * self.vps))

    def place(self, cpu: int) -> Vp:
        core, vp = divmod(cpu, self.vps)
        return Vp(0, core, vp)

    def number(self, core: int, vp: int) -> int | None:
        """The CPU that is this VP of this core, or None."""
        return core * self.vps + vp if vp < self.vps_of(core) else None

    def cores_of_cpus(self) -> list[range]:
        """The CPUs, core by core."""
        return [self.siblings(first) for first in range(0, self.cpus, self.vps)]

    def siblings(self, cpu: int) -> range:
        """The CPUs of the same core."""
        first = cpu - cpu % self.vps
        return range(first, min(first + self.vps, self.cpus))
