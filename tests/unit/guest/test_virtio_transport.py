"""virtio over PCI: capabilities, negotiation, queues, interrupts, what a broken driver gets, saving."""
from __future__ import annotations

import pytest

from tests.support.virtio import (
    ACKNOWLEDGE,
    COMMON,
    DEVICE,
    DRIVER,
    DRIVER_OK,
    EVENT_IDX,
    FEATURES_OK,
    INDIRECT_DESC,
    ISR,
    NEEDS_RESET,
    NOTIFY,
    VERSION_1,
    Driver,
    Ring,
)
from vmm.errors import ConfigError
from vmm.guest.devices.virtio.blk import VirtioBlk
from vmm.guest.devices.virtio.queue import Virtqueue
from vmm.guest.devices.virtio.transport import Transport, VirtioDevice
from vmm.guest.devices.window import Window
from vmm.guest.disk import MemoryDisk


class Echo(VirtioDevice):
    """Writes what it reads, from queue 1 only; remembers its life."""
    regs = Window(span=8, width=1)
    kind, class_code, features = 0x3F, 0xFF_00_00, 0x25
    queue_sizes = (16, 8)

    def __init__(self) -> None:
        super().__init__()
        self.life: list[str] = []

    @regs.read(0, count=8, step=1)
    def letter(self, at: int) -> int:
        return ord("a") + at

    def serve(self, number: int, queue: Virtqueue) -> None:
        while number == 1 and (chain := queue.take()) is not None:
            queue.give_back(chain, chain.write(0, chain.read(0, 100)))

    def start(self, features: int) -> None:
        self.life.append(f"start {features:#x}")

    def reset(self) -> None:
        self.life.append("reset")

    def save(self) -> list[str]:
        return list(self.life)

    def restore(self, state: list[str]) -> None:
        self.life = list(state)


def test_the_capabilities_say_where_everything_is() -> None:
    driver = Driver(Echo())
    assert driver.function.load(0, 4) == 0x107F_1AF4 and driver.function.load(0x08, 1) == 1
    assert driver.function.load(0x3D, 1) == 1
    assert {kind: size for kind, _, _, size in driver.capabilities()} == {COMMON: 0x40, ISR: 4, NOTIFY: 4, DEVICE: 8}
    assert driver.configuration(0, 4) == int.from_bytes(b"abcd", "little")
    assert driver.load(0x12, 2) == 2 and driver.load(0x10, 2) == driver.load(0x1A, 2) == 0xFFFF


def test_the_window_in_configuration_space() -> None:
    """The capability PCI_CFG reaches all the same, notifications included."""
    driver = Driver(Echo())
    function, at = driver.function, driver.function.load(0x34, 1)
    while function.load(at + 3, 1) != 5:
        at = function.load(at + 1, 1)

    def aim(bar: int, offset: int, size: int) -> None:
        function.store(at + 4, 4, bar)
        function.store(at + 8, 4, offset)
        function.store(at + 12, 4, size)

    aim(1, 2, 2)
    assert function.load(at + 16, 4) == int.from_bytes(b"cd", "little")
    driver.start()
    driver.rings[1].offer([b"hello"], [5])
    aim(0, 0x80, 2)
    function.store(at + 16, 4, 1)
    assert driver.rings[1].collect()[0][1] == b"hello" and function.load(at + 16, 4) == 0
    aim(0, 0x14, 1)
    assert function.load(at + 16, 4) == driver.status
    function.store(at + 16, 4, 0)
    assert driver.status == 0
    for bar, offset, size in ((0, 0xFE, 4), (2, 0, 1), (1, 0, 3), (0, 0xFFFF_FFFF, 4)):
        aim(bar, offset, size)
        function.store(at + 16, 4, 0xFFFF_FFFF)
        assert function.load(at + 16, 4) == 0


def test_features_are_negotiated() -> None:
    echo = Echo()
    driver = Driver(echo)
    assert driver.offered == 0x25 | VERSION_1 | EVENT_IDX | INDIRECT_DESC
    driver.store(0x00, 4, 2)
    assert driver.load(0x04, 4) == 0
    driver.start(VERSION_1 | 0x21)
    assert echo.life == ["reset", f"start {VERSION_1 | 0x21:#x}"]
    driver.accept(VERSION_1)                                # too late
    driver.store(0x08, 4, 0)
    assert driver.load(0x0C, 4) == 0x21


@pytest.mark.parametrize("features", [0x25, VERSION_1 | 0x02, VERSION_1 | 1 << 33, 0])
def test_features_that_are_not_offered_or_too_few(features: int) -> None:
    driver = Driver(Echo())
    driver.status = ACKNOWLEDGE | DRIVER
    driver.accept(features)
    driver.status = ACKNOWLEDGE | DRIVER | FEATURES_OK
    assert driver.status == ACKNOWLEDGE | DRIVER
    driver.accept(VERSION_1)
    driver.status = ACKNOWLEDGE | DRIVER | FEATURES_OK
    assert driver.status & FEATURES_OK


def test_queues() -> None:
    driver = Driver(Echo())
    for number, size in ((0, 16), (1, 8), (2, 0), (0xFFFF, 0)):
        driver.store(0x16, 2, number)
        assert driver.load(0x18, 2) == size
        driver.store(0x20, 8, 0x1234_5678_9ABC_DEF0)
        driver.store(0x1C, 2, size and 1)
        assert driver.load(0x1C, 2) == int(size > 0)
        assert driver.load(0x20, 4) == (0x9ABC_DEF0 if size else 0)
        driver.store(0x20, 4, 0)                            # not while it is in use
        assert driver.load(0x20, 4) == (0x9ABC_DEF0 if size else 0)
    driver.status = 0
    driver.store(0x16, 2, 1)
    assert driver.load(0x18, 2) == 8 and driver.load(0x1C, 2) == 0 and driver.load(0x24, 4) == 0


@pytest.mark.parametrize("indirect", [False, True])
@pytest.mark.parametrize("event_index", [0, EVENT_IDX])
def test_a_buffer_goes_and_comes_and_interrupts(indirect: bool, event_index: int) -> None:
    driver = Driver(Echo())
    driver.start(VERSION_1 | INDIRECT_DESC | event_index)
    for n in range(20):
        assert driver.ask(1, [b"%d" % n, b"!"], [1, 50], indirect=indirect) == b"%d!" % n
        assert driver.line and driver.acknowledge() == 1
        assert not driver.line and driver.acknowledge() == 0
    assert driver.interrupts == 20 and driver.rings[0].collect() == []


def test_nothing_is_served_before_the_driver_is_ready() -> None:
    driver = Driver(Echo())
    driver.start()
    driver.status = 0
    driver.store(0x16, 2, 1)
    driver.lay(ring := Ring(driver.ram, 0x100, 8))
    driver.rings = [ring, ring]
    ring.offer([b"x"], [1])
    driver.kick(1)
    assert ring.collect() == [] and not driver.line
    driver.accept(VERSION_1)
    driver.status = FEATURES_OK
    driver.status = FEATURES_OK | DRIVER_OK
    driver.kick(0)
    driver.kick(7)                                          # not enabled; not there
    assert ring.collect() == []
    driver.kick(1)
    assert [data for _, data in ring.collect()] == [b"x"]


def test_a_queue_that_was_not_enabled_is_not_served() -> None:
    driver = Driver(Echo())
    driver.start()
    driver.status = 0
    ring = Ring(driver.ram, 0x100, 8)
    driver.store(0x16, 2, 1)
    for offset, address in ((0x20, ring.descriptors), (0x28, ring.driver), (0x30, ring.device)):
        driver.store(offset, 4, address)
    driver.accept(VERSION_1)
    driver.status = FEATURES_OK | DRIVER_OK | NEEDS_RESET   # the last bit is not the driver's to set
    ring.offer([b"x"], [1])
    driver.kick(1)
    assert driver.status == FEATURES_OK | DRIVER_OK and ring.collect() == []
    driver.store(0x1C, 2, 1)
    driver.kick(1)
    assert [data for _, data in ring.collect()] == [b"x"]


def test_a_broken_ring_needs_a_reset_and_says_so_by_an_interrupt() -> None:
    echo = Echo()
    driver = Driver(echo)
    driver.start()
    driver.rings[1].expose(300)
    driver.kick(1)
    assert driver.status & NEEDS_RESET and driver.line and driver.acknowledge() == 2 and not driver.line
    driver.rings[1].offer([b"x"], [1])
    driver.kick(1)                                          # it does nothing any more
    driver.status = 0x0F                                    # nor can the driver take that back
    assert driver.status == 0x0F | NEEDS_RESET
    driver.kick(1)
    assert driver.rings[1].collect() == []
    driver.start()
    assert driver.ask(1, [b"again"], [9]) == b"again" and echo.life.count("reset") == 2


class Endless(Echo):
    """What it writes makes the driver's index go on."""
    ring: Ring
    served = 0

    def serve(self, number: int, queue: Virtqueue) -> None:
        while (chain := queue.take()) is not None:
            self.served += 1
            queue.give_back(chain)
            self.ring.expose(chain.head)


def test_a_turn_ends_though_buffers_appear_as_fast_as_they_are_used() -> None:
    endless = Endless()
    driver = Driver(endless)
    driver.start()
    endless.ring = driver.rings[1]
    endless.ring.offer([b"x"])
    driver.kick(1)
    assert endless.served == 9 and driver.status == 0x0F


def test_a_queue_of_a_wrong_size_is_refused() -> None:
    driver = Driver(Echo())
    driver.store(0x18, 2, 6)
    driver.store(0x1C, 2, 1)
    assert driver.load(0x1C, 2) == 0 and driver.status & NEEDS_RESET and not driver.line


def test_it_goes_on_from_where_it_was_saved() -> None:
    one = Driver(Echo())
    one.start()
    for n in range(11):
        one.ask(1, [b"%d" % n], [9])
    other = Driver(Echo(), one.ram)
    other.function.transport.restore(one.function.transport.save())
    other.rings = one.rings
    assert other.line and other.acknowledge() == 1 and other.status == one.status
    for n in range(11):
        assert other.ask(1, [b"%d" % n], [9], indirect=True) == b"%d" % n


def test_a_snapshot_of_another_device_is_refused() -> None:
    saved = Driver(Echo()).function.transport.save()
    with pytest.raises(ConfigError, match=r"snapshot: 66 bytes of virtqueues, and this device has 1 of 33"):
        Driver(VirtioBlk(MemoryDisk(bytes(512)))).function.transport.restore(saved)
    bad = Driver(Echo()).function.transport.save()
    bad.queues[0:3] = b"\x03\x00\x01"                       # enabled, with three places
    with pytest.raises(ConfigError, match="snapshot: virtqueue 0: a queue of 3: not a power of two up to 16"):
        Driver(Echo()).function.transport.restore(bad)


def test_every_row_of_the_common_configuration_has_its_place() -> None:
    registers = {register.offset for register in Transport.regs}
    assert registers == {*range(0x41), 0x80}
