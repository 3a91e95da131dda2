"""The numbers by which a host's TLBs tell address spaces apart, as the allocators have them.  (HM-1..HM-5, HM-20..HM-36)

Of each context word: *live* if its number counts (here, with ASIDs), *stale* if a cycle or a rollover has made it old,
*never* if the space has none.  Invariant: looking goes by the allocator's cells, and changes none.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import EntryHi
from vmm.debug.spaces import name_of, spaces
from vmm.debug.tables import table
from vmm.debug.worlds import Worlds
from vmm.gdbstub.target import TargetError
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.kvm.vz.backend import VzBackend
from vmm.kvm.vz.guest import VzHost

DROPPED = 1
"""A word that was used and is no more, so that caches still know of it (HM-43)."""


def _kernel(worlds: Worlds) -> Kernel:
    if worlds.kernel is None:
        raise TargetError("this machine has no host kernel; which ids its software uses, monitor tlb shows")
    return worlds.kernel


# -- ASIDs -------------------------------------------------------------------------------------------------------------
def asids(worlds: Worlds) -> str:
    kernel = _kernel(worlds)
    contexts = kernel.contexts
    if not isinstance(contexts, AsidContexts):
        raise TargetError("this host uses MMIDs; see monitor mmid")
    named, mask, cpus = spaces(worlds, kernel), contexts.mask, range(len(kernel.cpus))
    rows = [("CPU", "EntryHi.ASID", "asid_cache", "version", "given", "address space")]
    for cpu in cpus:
        cache = contexts.cache[cpu].load()
        rows.append((str(cpu), f"{kernel.cpus[cpu].root[EntryHi] & mask:#x}", f"{cache:#x}", f"{cache & ~mask:#x}",
                     f"{cache & mask} of {mask + 1}", name_of(named, kernel.mmus[cpu].loaded())))
    words = [("address space", *(f"CPU {cpu}" for cpu in cpus))]
    words += [(name, *(_asid(contexts, mm, cpu) for cpu in cpus)) for name, mm in named]
    return table(rows) + "\n" + table(words) + _guest_ids(worlds)


def _guest_ids(worlds: Worlds) -> str:
    """Those of VZ guests, which are each CPU's own, too (VZ-30, VZ-31)."""
    caches: tuple[str, ...] | None = None
    rows: list[tuple[str, ...]] = []
    for vm in (system.vm for system in worlds.vms.values()):
        if isinstance(vm.backend, VzBackend) and vm.backend.host.has_guest_id:
            host = vm.backend.host
            caches = ("guestid_cache", *(f"{cache:#x}" for cache in host.cache))
            rows += [(f"{vm.name}vcpu{guest.vcpu.number}", *(_guest_id(host, guest.guest_ids[cpu], cpu)
                                                            for cpu in range(len(host.cache))))
                     for guest in vm.backend.guests]
    if caches is None:
        return ""
    return "\n" + table([("GuestIDs", *(f"CPU {cpu}" for cpu in range(len(worlds.hosts)))), caches, *rows])


def _guest_id(host: VzHost, word: int, cpu: int) -> str:
    if not word:
        return "never"
    return f"{word:#x} {'stale' if (word ^ host.cache[cpu]) & ~host.guest_id_mask else 'live'}"


def _asid(contexts: AsidContexts, mm: Mm, cpu: int) -> str:
    word = mm.context(cpu)
    if not word:
        return "never"
    if word == DROPPED:
        return "dropped"
    stale = (word ^ contexts.cache[cpu].load()) & ~contexts.mask
    return f"{word:#x} {'stale' if stale else 'live'}"


# -- MMIDs -------------------------------------------------------------------------------------------------------------
def mmids(worlds: Worlds) -> str:
    kernel = _kernel(worlds)
    contexts = kernel.contexts
    if not isinstance(contexts, MmidContexts):
        raise TargetError("this host uses ASIDs; see monitor asid")
    named, pending = spaces(worlds, kernel), contexts.flush_pending.load()
    rows = [("CPU", "MemoryMapID", "active", "reserved", "flush", "address space")]
    for cpu in range(len(kernel.cpus)):
        rows.append((str(cpu), f"{kernel.mmus[cpu].mmid():#x}", f"{contexts.active[cpu].load():#x}",
                     f"{contexts.reserved[cpu].load():#x}", "pending" if pending >> cpu & 1 else "done",
                     name_of(named, kernel.mmus[cpu].loaded())))
    words = [("address space", "word", "")]
    words += [(name, f"{mm.context(0):#x}", _mmid(contexts, mm)) for name, mm in named]
    used = bin(contexts.used.load()).count("1")
    head = (f"version {contexts.version.load():#x}; {used} of {contexts.count} MMIDs used, among them 0 for wired entries; "
            f"the search goes on at {contexts.next.load()}\n")
    return head + "\n" + table(rows) + "\n" + table(words)


def _mmid(contexts: MmidContexts, mm: Mm) -> str:
    word = mm.context(0)
    if not word:
        return "never"
    if not contexts.is_stale(word, contexts.version.load()):
        return "live"
    running = [str(cpu) for cpu, cell in enumerate(contexts.reserved) if cell.load() == word]
    return f"stale, but CPU {' and '.join(running)} ran it at the rollover, so it keeps its number" if running else "stale"
