"""Loads, stores and instruction fetch, down to memory or a device.  (mips.md 4.1, 6)

Fast engines do the common case themselves and come here when they have no translation at hand; ``m.remember`` tells
them what was found.  ``m.peek`` and ``m.poke`` are accesses to host memory in the machine's byte order.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import WatchLo
from vmm.arch.privileged.regions import backing
from vmm.arch.privileged.translate import FETCH, LOAD, STORE, address_error, physical
from vmm.arch.privileged.watchpoints import page_kinds, unwatched
from vmm.arch.rows import AnyMachine
from vmm.arch.state import OFFSET, SKIP_ALL
from vmm.arch.stops import WATCHED_LOAD, WATCHED_STORE, Stop

WATCH_SLOTS = 3
PAGE_BYTES = 4096
"""The smallest page: what lies in one has one translation."""




def leave_with(m: AnyMachine, stop: Stop) -> None:
    """Stop in the middle of an access, which starts again from its beginning."""
    m.state.as_user = m.state.pc_relative = m.const(0)
    m.leave_with(stop)


def remember(m: AnyMachine, host: AnyMachine) -> None:
    """Tell the engine where the last access was found, unless it was not by the mapping of the mode that runs."""
    s = m.state
    for _ in m.when(s.as_user == 0):
        m.remember(s.access_va, host, unwatched(m, s.access_va, s.rights))


def watch(m: AnyMachine, va: AnyMachine, size: AnyMachine, kind: AnyMachine) -> None:
    """Stop before an access that a watchpoint of this kind covers, and say which access it is (gdb.md pitfall 8)."""
    s = m.state
    at = m.var(m.const(OFFSET["watches"]))
    end = m.const(OFFSET["watches"]) + s.watch_count * WATCH_SLOTS
    for _ in m.repeat(lambda: at.value.below(end)):
        first, last, kinds = (m.slot(at.value + n) for n in range(WATCH_SLOTS))
        overlap = ~last.below(va) & ~(va + size - 1).below(first) & ((kinds & kind) != 0)
        for _ in m.when(overlap & ((s.skip_break & SKIP_ALL) == 0)):
            s.stop_address, s.stop_size, s.stop_code = va, size, kind
            leave_with(m, Stop.WATCH)
        at.value = at.value + WATCH_SLOTS


def need_aligned(m: AnyMachine, va: AnyMachine, size: AnyMachine, access: AnyMachine) -> None:
    """Raise an address error unless the access is naturally aligned."""
    for _ in m.when((va & (size - 1)) != 0):
        m.call(address_error, va, access)


def is_split(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    """Whether an access is not aligned and the core does that: from release 6 on, by parts (MD00083 revision 6, B.1)."""
    return (m.state.release6 != 0) & ((va & (size - 1)) != 0)


def load(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    value = m.var(m.const(0))
    for _ in m.when(is_split(m, va, size)):
        value.value = m.call(load_split, va, size)
    for _ in m.otherwise():
        value.value = m.call(load_aligned, va, size)
    return value.value


def load_aligned(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    return m.call(load_found, m.call(physical, va, m.const(LOAD), size), size)


def unit(m: AnyMachine, va: AnyMachine, size: AnyMachine, access: AnyMachine) -> AnyMachine:
    """The physical address of the aligned unit that an address lies in; BadVAddr is the address (volume II, LWL)."""
    s = m.state
    pa = m.call(physical, va, access, m.const(1)) & -size
    s.access_va = s.access_va & -size
    return pa


def load_unit(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    return m.call(load_found, m.call(unit, va, size, m.const(LOAD)), size)


def load_found(m: AnyMachine, pa: AnyMachine, size: AnyMachine) -> AnyMachine:
    """The rest of a load whose address was translated: ``access_va`` to ``pa``."""
    s = m.state
    m.call(watch, s.access_va, size, m.const(WATCHED_LOAD))
    host = m.call(backing, pa, m.const(LOAD))
    value = m.var(m.const(0))
    for _ in m.when(host == 0):
        value.value = m.call(device_load, pa, size)
    for _ in m.otherwise():
        m.call(remember, host)
        value.value = m.peek(host, size)
    return value.value


def byte_at(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> AnyMachine:
    """The host address of one byte of an access that is not aligned; a device does not take such an access."""
    s = m.state
    host = m.call(backing, m.call(physical, va, access, m.const(1)), access)
    for _ in m.when(host == 0):
        m.call(address_error, s.access_va, access)
    return host


def find_parts(m: AnyMachine, va: AnyMachine, size: AnyMachine, access: AnyMachine) -> AnyMachine:
    """The host address of the last byte, and in ``part_host`` of the first: all faults come before any effect."""
    s = m.state
    s.part_host = m.call(byte_at, va, access)
    first = s.access_va
    last = m.call(byte_at, first + size - 1, access)
    m.call(watch, first, size, access + 1)
    return last


def part_of(m: AnyMachine, at: AnyMachine, va: AnyMachine, size: AnyMachine, last: AnyMachine) -> AnyMachine:
    """The host address of byte ``at`` of an access whose ends are known; the second page starts somewhere between."""
    rest = m.const(PAGE_BYTES) - (va & PAGE_BYTES - 1)
    return m.select(at.below(rest), m.state.part_host + at, last - (size - 1) + at)


def load_split(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    last = m.call(find_parts, va, size, m.const(LOAD))
    value, at = m.var(m.const(0)), m.var(m.const(0))
    for _ in m.repeat(lambda: at.value.below(size)):
        byte = m.peek(part_of(m, at.value, va, size, last), m.const(1))
        value.value = value.value | byte.shl(place_of(m, at.value, size))
        at.value = at.value + 1
    return value.value


def place_of(m: AnyMachine, at: AnyMachine, size: AnyMachine) -> AnyMachine:
    """The bit where byte ``at`` in memory starts in a register."""
    return ((size - 1) - at if m.big_endian else at).shl(3)


def store(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine) -> None:
    for _ in m.when(is_split(m, va, size)):
        m.call(store_split, va, size, value)
    for _ in m.otherwise():
        m.call(store_found, m.call(physical, va, m.const(STORE), size), size, value, m.const(-1))


def store_unit(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine, mask: AnyMachine) -> None:
    m.call(store_found, m.call(unit, va, size, m.const(STORE)), size, value, mask)


def store_found(m: AnyMachine, pa: AnyMachine, size: AnyMachine, value: AnyMachine, mask: AnyMachine) -> None:
    """Store the bits that are set in ``mask``; a device is given the others as zero."""
    s = m.state
    m.call(watch, s.access_va, size, m.const(WATCHED_STORE))
    host = m.call(backing, pa, m.const(STORE))
    for _ in m.when(host == 0):
        m.call(device_store, pa, size, value & mask)
    for _ in m.otherwise():
        m.call(remember, host)
        m.poke(host, size, m.peek(host, size) & ~mask | (value & mask))


def store_split(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine) -> None:
    """All of a value: only release 6 does this, which has no partial stores."""
    last = m.call(find_parts, va, size, m.const(STORE))
    at = m.var(m.const(0))
    for _ in m.repeat(lambda: at.value.below(size)):
        m.poke(part_of(m, at.value, va, size, last), m.const(1), value.shr(place_of(m, at.value, size)))
        at.value = at.value + 1


def load_linked(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    s = m.state
    pa = m.call(physical, va, m.const(LOAD), size)     # first: it must be aligned
    value = m.call(load, va, size)
    s.lladdr = pa
    s.llbit = 1
    return value


def store_conditional(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine) -> AnyMachine:
    """1 if the link held and the store was done, else 0; address errors and TLB faults come first."""
    s = m.state
    pa = m.call(physical, va, m.const(STORE), size)
    done = m.flag((s.llbit != 0) & (s.lladdr == pa))
    for _ in m.when(done != 0):
        m.call(store, va, size, value)
    s.llbit = 0
    return done


def store_conditional_pair(m: AnyMachine, va: AnyMachine, first: AnyMachine, second: AnyMachine) -> AnyMachine:
    """SCDP: two doublewords that lie in one page, as they are aligned together."""
    s = m.state
    m.call(need_aligned, va, m.const(16), m.const(STORE))
    pa = m.call(physical, va, m.const(STORE), m.const(8))
    done = m.flag((s.llbit != 0) & (s.lladdr == pa))
    for _ in m.when(done != 0):
        m.call(store, va, m.const(8), first)
        m.call(store, va + 8, m.const(8), second)
    s.llbit = 0
    return done


def load_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    """EVA: what the kernel does with the user's mapping; an exception or a stop ends that as well."""
    m.state.as_user = 1
    value = m.call(load, va, size)
    m.state.as_user = 0
    return value


def store_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine) -> None:
    m.state.as_user = 1
    m.call(store, va, size, value)
    m.state.as_user = 0


def load_unit_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    m.state.as_user = 1
    value = m.call(load_unit, va, size)
    m.state.as_user = 0
    return value


def store_unit_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine, mask: AnyMachine) -> None:
    m.state.as_user = 1
    m.call(store_unit, va, size, value, mask)
    m.state.as_user = 0


def load_linked_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine) -> AnyMachine:
    m.state.as_user = 1
    value = m.call(load_linked, va, size)
    m.state.as_user = 0
    return value


def store_conditional_as_user(m: AnyMachine, va: AnyMachine, size: AnyMachine, value: AnyMachine) -> AnyMachine:
    m.state.as_user = 1
    done = m.call(store_conditional, va, size, value)
    m.state.as_user = 0
    return done


def device_load(m: AnyMachine, pa: AnyMachine, size: AnyMachine) -> AnyMachine:
    """The answer, if there is one already; else stop, and the instruction is tried again when there is."""
    s = m.state
    for _ in m.when(s.io_ready == 0):
        s.stop_address, s.stop_size = pa, size
        leave_with(m, Stop.LOAD)
    s.io_ready = 0
    return s.stop_value


def device_store(m: AnyMachine, pa: AnyMachine, size: AnyMachine, value: AnyMachine) -> None:
    s = m.state
    for _ in m.when(s.io_ready == 0):
        s.stop_address, s.stop_size, s.stop_value = pa, size, value
        leave_with(m, Stop.STORE)
    s.io_ready = 0


def fetch(m: AnyMachine) -> AnyMachine:
    """The host address of the instruction at pc; IBE if there is no memory."""
    s = m.state
    s.instr = 0                                        # no BadInstr for a fetch that fails
    pa = m.call(physical, s.pc, m.const(FETCH), m.const(4))
    host = m.call(backing, pa, m.const(FETCH))
    for _ in m.when(host == 0):
        m.trap("IBE")
    s.careful = m.call(page_kinds, s.pc) & WatchLo.I.mask
    return host
