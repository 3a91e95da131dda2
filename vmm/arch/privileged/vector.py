"""Vector loads and stores that the soft TLB does not know, byte by byte.  (MD00866, LD.df and ST.df; mips.md 9)

Invariant: every byte may be accessed before the register or memory changes.
"""
from __future__ import annotations

from vmm.arch.privileged.memory import backing, watch
from vmm.arch.privileged.translate import LOAD, STORE, physical
from vmm.arch.privileged.watchpoints import unwatched
from vmm.arch.rows import AnyMachine
from vmm.arch.stops import WATCHED_LOAD, WATCHED_STORE

VECTOR_BYTES = 16
PAGE = 4096


def places(m: AnyMachine, va: AnyMachine, access: AnyMachine, kind: int) -> tuple[AnyMachine, AnyMachine, AnyMachine]:
    """Host addresses of the first byte and of the first one on the next page, and how many bytes lie before that.

    Both pages are translated, and watched, before anything is moved.  Devices do not take vectors: a bus error.
    """
    s = m.state
    split = m.const(PAGE) - (va & PAGE - 1)
    hosts = []
    for address in (va, va + (VECTOR_BYTES - 1)):              # a page is visited twice unless the vector crosses its end
        pa = m.call(physical, address, access, m.const(1))
        m.call(watch, m.select(s.wrap != 0, m.word(va), va), m.const(VECTOR_BYTES), m.const(kind))
        host = m.call(backing, pa, access)
        m.require(host != 0, "DBE")
        m.remember(s.access_va, host, unwatched(m, s.access_va, s.rights))
        hosts.append(host)
    first, last = hosts
    return first, last & -PAGE, split


def byte_at(m: AnyMachine, n: AnyMachine, first: AnyMachine, second: AnyMachine, split: AnyMachine) -> AnyMachine:
    return m.select(n.below(split), first + n, second + n - split)


def shift_of(m: AnyMachine, n: AnyMachine, size: AnyMachine) -> AnyMachine:
    """By how much the n-th byte in memory is shifted in its half of the register."""
    place = n ^ (size - 1) if m.big_endian else n
    return (place & 7) << 3


def load_vector(m: AnyMachine, number: AnyMachine, va: AnyMachine, size: AnyMachine) -> None:
    first, second, split = places(m, va, m.const(LOAD), WATCHED_LOAD)
    low, high, n = m.var(m.const(0)), m.var(m.const(0)), m.var(m.const(0))
    for _ in m.repeat(lambda: n.value.below(VECTOR_BYTES)):
        byte = m.peek(byte_at(m, n.value, first, second, split), m.const(1)).shl(shift_of(m, n.value, size))
        low.value = low.value | m.select(n.value.below(8), byte, 0)
        high.value = high.value | m.select(n.value.below(8), 0, byte)
        n.value = n.value + 1
    m.set_element(64, number, m.const(0), low.value)
    m.set_element(64, number, m.const(1), high.value)


def store_vector(m: AnyMachine, number: AnyMachine, va: AnyMachine, size: AnyMachine) -> None:
    first, second, split = places(m, va, m.const(STORE), WATCHED_STORE)
    n = m.var(m.const(0))
    for _ in m.repeat(lambda: n.value.below(VECTOR_BYTES)):
        half = m.element(64, number, n.value.shr(3))
        byte = half.shr(shift_of(m, n.value, size)) & 0xFF
        m.poke(byte_at(m, n.value, first, second, split), m.const(1), byte)
        n.value = n.value + 1
