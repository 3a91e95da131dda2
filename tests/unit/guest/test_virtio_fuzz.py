"""Every virtio card under random accesses and random memory: nothing raises, a reset mends all, a snapshot goes on."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import FakeRam
from tests.support.virtio import DRIVER_OK, FEATURES_OK, VERSION_1, Driver
from vmm.guest.devices.virtio.blk import VirtioBlk
from vmm.guest.devices.virtio.console import VirtioConsole
from vmm.guest.devices.virtio.net import VirtioNet
from vmm.guest.devices.virtio.rng import VirtioRng
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.disk import MemoryDisk


class Loop:
    """What is sent comes back."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self._frames.append(frame)

    def poll(self) -> Iterable[bytes]:
        found, self._frames = self._frames, []
        return found


MAKE: dict[str, Callable[[], VirtioDevice]] = {
    "blk": lambda: VirtioBlk(MemoryDisk(bytes(4096))),
    "net": lambda: VirtioNet(bytes(6), Loop()),
    "rng": VirtioRng,
    "console": lambda: VirtioConsole(lambda byte: None),
}
access = st.tuples(st.booleans(), st.sampled_from([1, 2, 4]), st.integers(0, 0x10FF), st.integers(0, 0xFFFF_FFFF))
word = st.one_of(st.integers(0, 8), st.integers(0, 0xFFFF), st.integers(0, (1 << 64) - 1))


def works(driver: Driver) -> None:
    """After a reset it is as new."""
    driver.start()
    for ring in driver.rings:
        ring.offer([b"\4" + bytes(40)], [200, 1])
    for number in range(len(driver.rings)):
        driver.kick(number)
    assert driver.status == 0x0F and any(ring.collect() for ring in driver.rings)


def poke(driver: Driver, accesses: list[tuple[bool, int, int, int]]) -> list[int]:
    seen = []
    for is_store, size, at, value in accesses:
        address = 0x1000_0000 + (at & -size)
        if is_store:
            driver.bus.store(address, size, value)
        else:
            seen.append(driver.bus.load(address, size))
    return seen


@pytest.mark.parametrize("name", MAKE)
@settings(max_examples=25)
@given(st.lists(access, max_size=40), st.lists(access, max_size=40))
def test_random_registers(name: str, before: list[tuple[bool, int, int, int]],
                          after: list[tuple[bool, int, int, int]]) -> None:
    one, other = Driver(MAKE[name]()), Driver(MAKE[name]())
    poke(one, before)
    other.ram.bytes[:] = one.ram.bytes
    other.device.restore(one.device.save())
    other.function.transport.restore(one.function.transport.save())
    assert other.line == one.line and poke(one, after) == poke(other, after)
    works(one)


@pytest.mark.parametrize("name", MAKE)
@settings(max_examples=60)
@given(st.lists(st.tuples(word, st.integers(0, 0xFFFF_FFFF), st.integers(0, 7), word), min_size=1, max_size=8),
       st.lists(st.integers(0, 0xFFFF), max_size=12), st.integers(0, 12), st.booleans())
def test_random_rings(name: str, descriptors: list[tuple[int, int, int, int]], heads: list[int], index: int,
                      near: bool) -> None:
    """Descriptors with any address, length, flags and link.  ``near``: those that lie in memory and in the table."""
    driver = Driver(MAKE[name]())
    driver.start()
    for number, ring in enumerate(driver.rings):
        for slot, (address, size, flags, following) in enumerate(descriptors):
            if near:
                address, size, following = address % 0x8000, size % 0x900, following % len(descriptors)
            ring.descriptor(ring.descriptors, slot, address, size, flags, following & 0xFFFF)
        for head in heads:
            ring.expose(head % len(descriptors) if near else head)
        driver.ram.write(ring.driver + 2, (len(heads) if near else index).to_bytes(2, "little"))
        driver.kick(number)
    works(driver)


@pytest.mark.parametrize("name", MAKE)
@settings(max_examples=25)
@given(st.lists(word, min_size=3, max_size=3), st.binary(min_size=64, max_size=64))
def test_rings_anywhere(name: str, places: list[int], contents: bytes) -> None:
    driver = Driver(MAKE[name](), FakeRam(0x8000))
    driver.ram.bytes[:] = contents * (0x8000 // 64)
    driver.accept(VERSION_1)
    driver.status = FEATURES_OK
    for number in range(driver.load(0x12, 2)):
        driver.store(0x16, 2, number)
        for offset, place in zip((0x20, 0x28, 0x30), places, strict=True):
            driver.store(offset, 4, place & 0xFFFF_FFFF)
            driver.store(offset + 4, 4, place >> 32)
        driver.store(0x1C, 2, 1)
    driver.status = FEATURES_OK | DRIVER_OK
    for number in range(driver.load(0x12, 2)):
        driver.kick(number)
        assert 0 <= driver.status < 256
