"""Address-space objects, and what the kernel asks of the allocator of their TLB tags.  (rows HM-1, HM-3, HM-4)

An ``Mm`` lives in simulated RAM, because the world switch reads its directory pointer and this CPU's ASID.  A context
word is ``version | number``; 0 means never allocated.  ``vmm.host.kernel.asids`` and ``mmids`` are the two allocators;
each is written as programs (``steps``), and the methods here run these to their end.
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol

from vmm.host.kernel.cpu import Ram
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.pagetable import PageTable
from vmm.host.kernel.steps import Cell, Program, drain

CONTEXT_BYTES = 8


def asid_offset(cpu: int) -> int:
    """Where an mm keeps the context word of a CPU; the directory pointer comes first, in 8 bytes."""
    return 8 + cpu * CONTEXT_BYTES


def mm_bytes(cpus: int) -> int:
    return asid_offset(cpus)


class ContextWord:
    """A cell in simulated RAM."""

    __slots__ = ("_address", "_ram")
    guarded = False

    def __init__(self, ram: Ram, address: int) -> None:
        self._ram, self._address = ram, address

    def load(self) -> int:
        return self._ram.load(self._address, CONTEXT_BYTES)

    def store(self, value: int) -> None:
        self._ram.store(self._address, CONTEXT_BYTES, value)


class Mm:
    """One address space: a page table and a context word a CPU; with MMIDs one word for all (HM-3, HM-4).

    ``users``: threads that have this address space, as mm_users counts them (HM-42).
    """

    def __init__(self, ram: Ram, address: int, table: PageTable, cpus: int, *, one_word: bool = False) -> None:
        self.ram, self.address, self.table, self.cpus = ram, address, table, cpus
        self.users = 1
        word = table.geometry.word
        ram.store(address, word, kernel_address(table.pgd) & (1 << 8 * word) - 1)
        self._words = [ContextWord(ram, address + asid_offset(0 if one_word else cpu)) for cpu in range(cpus)]
        for cpu in range(cpus):
            self.set_context(cpu, 0)

    def word(self, cpu: int) -> ContextWord:
        return self._words[cpu]

    def context(self, cpu: int) -> int:
        return self._words[cpu].load()

    def set_context(self, cpu: int, word: int) -> None:
        self._words[cpu].store(word)

    def forget(self, *, but: int | None = None) -> None:
        """Zero the words of all CPUs (``but`` one): each takes a new ASID when it next runs this mm.  For hosts with ASIDs:
        an MMID is everybody's (KW-1)."""
        for cpu in range(self.cpus):
            if cpu != but:
                self.set_context(cpu, 0)


class Space(Protocol):
    """What programs see of an ``Mm``."""

    @property
    def users(self) -> int: ...
    def word(self, cpu: int, /) -> Cell: ...


class Mmu(Protocol):
    """What programs do with the MMU of the CPU that they run on.  Any: spaces are of the kind that the caller has."""

    def flush_all(self) -> None: ...              # what is not wired, HM-47
    def loaded(self) -> Any: ...                  # the space whose page directory is set
    def load(self, space: Any, /) -> None: ...    # set it, HM-37
    def set_asid(self, number: int, /) -> None: ...
    def set_mmid(self, number: int, /) -> None: ...
    def mmid(self) -> int: ...
    def ginvt(self, how: int, va: int, /) -> None: ...
    def sync_ginv(self) -> None: ...              # after it, every CPU has done what was asked before it, HM-11
    def stop_walker(self) -> None: ...            # these two nest, HM-13
    def start_walker(self) -> None: ...


class Contexts(Protocol):
    """What the rest of the kernel and KVM ask of the allocator of TLB tags."""

    def get_new(self, cpu: int, mm: Mm) -> None: ...
    def check(self, cpu: int, mm: Mm) -> None: ...
    def tag(self, cpu: int, mm: Mm) -> int: ...
    def switch(self, cpu: int, mm: Mm) -> None: ...
    def drop(self, cpu: int, mm: Mm) -> None: ...


class SteppedContexts(ABC):
    """The programs of an allocator, and the kernel's calls of them.

    ``global_ids``: a number is the same on all CPUs, and they can invalidate by it for each other.
    """

    global_ids: bool
    mask: int
    """The bits of a context word that are the number."""

    @abstractmethod
    def renewing(self, cpu: int, mm: Space) -> Program[None]:
        """Whatever this CPU has under the number of ``mm`` is not to be found again, and ``mm`` has a number."""

    @abstractmethod
    def checking(self, cpu: int, mm: Space) -> Program[None]:
        """Renew a stale or missing number."""

    @abstractmethod
    def switching(self, cpu: int, mm: Space) -> Program[None]:
        """Make ``mm`` the one that this CPU translates with."""

    @abstractmethod
    def dropping(self, cpu: int, mm: Space) -> Program[None]:
        """Forget this CPU's translations of ``mm`` (HM-40)."""

    @abstractmethod
    def starting(self, cpu: int) -> Program[None]:
        """A CPU comes up, at boot or later; nothing is loaded there (HM-52)."""

    def get_new(self, cpu: int, mm: Space) -> None:
        drain(self.renewing(cpu, mm))

    def check(self, cpu: int, mm: Space) -> None:
        drain(self.checking(cpu, mm))

    def switch(self, cpu: int, mm: Space) -> None:
        drain(self.switching(cpu, mm))

    def drop(self, cpu: int, mm: Space) -> None:
        drain(self.dropping(cpu, mm))

    def tag(self, cpu: int, mm: Space) -> int:
        """What TLB entries of ``mm`` on this CPU carry."""
        return mm.word(cpu).load() & self.mask

    def ever_used(self, mm: Space, cpus: tuple[int, ...]) -> bool:
        """May any of these CPUs have run ``mm``?  Cache maintenance spares those that did not (HM-53)."""
        return any(mm.word(cpu).load() for cpu in cpus)
