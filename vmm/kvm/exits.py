"""Every reason a vCPU run can come back to its VMM, as data.  (rows GK-1, MI-2, MI-3, HX-2..HX-4)

An exit is what happened, not what to do about it.  ``number`` is the exit reason of KVM's own interface.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class MmioLoad:
    """The guest loads from a guest-physical address outside every slot; answer in ``vcpu.mmio.data``."""

    number: ClassVar[int] = 6
    address: int
    size: int


@dataclass(frozen=True, slots=True)
class MmioStore:
    """The guest stores to a guest-physical address outside every slot, or to a read-only one."""

    number: ClassVar[int] = 6
    address: int
    size: int
    value: int


@dataclass(frozen=True, slots=True)
class Hypercall:
    """A hypercall that the VM asked to see itself (``Vm.own_hypercalls``); answer by writing v0."""

    number: ClassVar[int] = 3
    call: int
    args: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Intr:
    """Somebody asked the vCPU thread to come out: a signal, or the end of the budget it was given."""

    number: ClassVar[int] = 10


@dataclass(frozen=True, slots=True)
class InternalError:
    """The guest did something that cannot be emulated; the VM cannot go on."""

    number: ClassVar[int] = 17
    reason: str


Exit = MmioLoad | MmioStore | Hypercall | Intr | InternalError
