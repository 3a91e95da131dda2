"""Which CPU is which virtual processor (VP) of which core of which cluster.

CPUs are numbered through the VPs of a core, the cores of a cluster, the clusters.  Invariant: all cores but the last have
as many VPs as they may, all clusters but the last as many cores.  (MIPS I6400 and I6500 multiprocessing system programmer's
guides; GlobalNumber: MD00090)
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from vmm.arch.core import CpuModel
from vmm.arch.cp0.registers import GlobalNumber
from vmm.errors import ConfigError

MOST_CORES, MOST_CLUSTERS = 32, 16
"""Of a cluster, as core 32 is the coherence manager itself; of a machine, as GlobalNumber counts them."""
FIRST_WITH_CLUSTERS = 0x0900
"""The revision of the coherence manager (CM3.5) from which on there are others."""


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
    """``cpus`` in cores of ``vps`` VPs each, ``cluster_cores`` cores a cluster; None: all in one."""
    cpus: int
    vps: int = 1
    cluster_cores: int | None = None

    def __post_init__(self) -> None:
        if self.cpus < 1 or self.vps < 1:
            raise ConfigError(f"{self.cpus} CPUs in cores of {self.vps} VPs: there must be one of each at least")

    @property
    def cores(self) -> int:
        """Of all clusters."""
        return -(-self.cpus // self.vps)

    @property
    def clusters(self) -> int:
        return 1 if self.cluster_cores is None else -(-self.cores // self.cluster_cores)

    def cluster(self, number: int) -> tuple[int, Topology]:
        """A cluster's first CPU, and what is in it, with numbers of its own."""
        if self.cluster_cores is None:
            return 0, self
        size = self.cluster_cores * self.vps
        first = number * size
        return first, Topology(min(size, self.cpus - first), self.vps)

    def vps_of(self, core: int) -> int:
        """How many VPs that core has, cores counted through the clusters; 0 if there is no such core."""
        return max(0, min(self.vps, self.cpus - core * self.vps))

    def place(self, cpu: int) -> Vp:
        core, vp = divmod(cpu, self.vps)
        return Vp(*divmod(core, self.cluster_cores or self.cores), vp)

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


def parse_topology(text: str, model: CpuModel) -> Topology:
    """``CLUSTERSxCORESxVPS``, of cores of this model."""
    if not re.fullmatch(r"[1-9][0-9]?x[1-9][0-9]?x[1-9][0-9]?", text):
        raise ConfigError(f"--topology {text!r}: give clusters, cores of each and VPs of each core, such as 2x4x2")
    clusters, cores, vps = map(int, text.split("x"))
    for number, what, most in (
            (clusters, "clusters", MOST_CLUSTERS if model.cm >= FIRST_WITH_CLUSTERS else 1),
            (cores, "cores in a cluster", MOST_CORES), (vps, "VPs in a core", model.vps)):
        if number > most:
            raise ConfigError(f"--topology {text}: {number} {what}; with --cpu {model.name} there is "
                              + ("one" if most == 1 else f"at most {most}"))
    return Topology(clusters * cores * vps, vps, cores)


def topology_of(text: str | None, model: CpuModel, cpus: int) -> Topology | None:
    """What --topology asks for; ``cpus``: how many CPUs other options ask for, 1 if none does."""
    if text is None:
        return None
    topology = parse_topology(text, model)
    if cpus not in (1, topology.cpus):
        raise ConfigError(f"--topology {text}: these are {topology.cpus} CPUs, and {cpus} are asked for; leave one out")
    return topology
