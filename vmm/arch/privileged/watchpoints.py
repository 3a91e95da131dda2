"""Watch registers: exceptions before accesses to chosen addresses.  (Volume III, WatchLo and WatchHi; mips.md 2, 5.4)

They watch root's virtual addresses only.  A page that an enabled pair touches is not remembered by the engine for the
kinds of access that it watches, so only accesses to that page come here.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Cause, Debug, EntryHi, Status, WatchHi, WatchLo
from vmm.arch.exceptions import ExcCode
from vmm.arch.privileged.names import FETCH, LOAD
from vmm.arch.rows import AnyMachine

KINDS = 7
"""WatchLo.I, R and W, and where WatchHi notes them."""
PAGE = 0xFFF
PAIRS_AT_MOST = 8


def update(m: AnyMachine) -> None:
    """WatchLo or WatchHi changed: is anything watched?  Pages are looked at anew."""
    s = m.state
    kinds = m.var(m.const(0))
    for n in range(PAIRS_AT_MOST):
        kinds.value = kinds.value | (m.root.at(WatchLo.index + n) & KINDS)
    s.watch_on = kinds.value
    m.forget_every_page()


def wanted(m: AnyMachine, access: AnyMachine) -> AnyMachine:
    return m.select(access == FETCH, WatchLo.I.mask, m.select(access == LOAD, WatchLo.R.mask, m.const(WatchLo.W.mask)))


def looks(m: AnyMachine) -> AnyMachine:
    """A Condition: something is watched, and root is not in debug mode."""
    s = m.state
    return (s.watch_on != 0) & (s.in_guest == 0) & ~m.root.on(Debug.DM)


def check(m: AnyMachine, va: AnyMachine, access: AnyMachine) -> None:
    """Raise Watch if a pair covers this access, or note it for later while EXL or ERL is set."""
    found, n, kind = m.var(m.const(0)), m.var(m.const(0)), m.call(wanted, access)
    for _ in m.repeat(lambda: n.value.below(m.const(PAIRS_AT_MOST))):
        lo, hi = m.root.at(n.value + WatchLo.index), m.root.at(n.value + WatchHi.index)
        same_place = ((va ^ lo) & ~(hi & WatchHi.Mask.mask | KINDS)) == 0
        space = (hi.shr(WatchHi.ASID.low) ^ m.root[EntryHi]) & EntryHi.ASID.mask
        for _ in m.when(same_place & ((lo & kind) != 0) & (((hi & WatchHi.G.mask) != 0) | (space == 0))):
            m.root.put_at(n.value + WatchHi.index, hi | kind)
            found.value = m.const(1)
        n.value = n.value + 1
    for _ in m.when(found.value != 0):
        for _ in m.when(later(m)):
            m.root.put(Cause.WP, 1)
        for _ in m.otherwise():
            m.trap_code(m.const(ExcCode.Watch))


def later(m: AnyMachine) -> AnyMachine:
    """A Condition: a watch exception would be lost now."""
    return (m.root[Status] & (Status.EXL.mask | Status.ERL.mask)) != 0


def deferred(m: AnyMachine) -> AnyMachine:
    """A Condition: one that had to wait can be taken now."""
    return m.root.on(Cause.WP) & (m.state.watch_pairs != 0) & (m.state.in_guest == 0) & ~later(m) & ~m.root.on(Debug.DM)


def page_kinds(m: AnyMachine, va: AnyMachine) -> AnyMachine:
    """Which kinds of access to some place in the page of ``va`` are watched, as in WatchLo."""
    kinds, n = m.var(m.const(0)), m.var(m.const(0))
    for _ in m.when(looks(m)):
        for _ in m.repeat(lambda: n.value.below(m.const(PAIRS_AT_MOST))):
            lo, hi = m.root.at(n.value + WatchLo.index), m.root.at(n.value + WatchHi.index)
            inside = ((va ^ lo) & ~(hi & WatchHi.Mask.mask | PAGE)) == 0
            kinds.value = kinds.value | m.select(inside, lo & KINDS, 0)
            n.value = n.value + 1
    return kinds.value


def unwatched(m: AnyMachine, va: AnyMachine, rights: AnyMachine) -> AnyMachine:
    """The rights of a page less those that must be looked at each time: 1 load, 2 store."""
    kinds = m.call(page_kinds, va)
    return rights & ~((kinds.shr(1) & 1) | (kinds & 1).shl(1))
