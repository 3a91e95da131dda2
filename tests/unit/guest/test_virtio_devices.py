"""Each virtio device as a driver meets it."""
from __future__ import annotations

from collections.abc import Iterable
from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import FakeRam, World
from tests.support.virtio import NEEDS_RESET, VERSION_1, Driver
from vmm.guest.cards import ConsoleCard, DiskCard, EntropyCard, NetworkCard
from vmm.guest.console import MemoryConsole
from vmm.guest.devices.virtio.blk import VirtioBlk
from vmm.guest.devices.virtio.console import MOST_WAITING, VirtioConsole
from vmm.guest.devices.virtio.net import MOST_WAITING as MOST_FRAMES
from vmm.guest.devices.virtio.net import VirtioNet
from vmm.guest.devices.virtio.rng import VirtioRng
from vmm.guest.disk import MemoryDisk
from vmm.guest.outside import Card

IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13      # requests
OK, IOERR, UNSUPP = 0, 1, 2
SECTORS = 40


# -- disk ------------------------------------------------------------------------------------------------------

class Broken(MemoryDisk):
    def read(self, sector: int, count: int) -> bytes:
        raise OSError("the disk is broken")

    def write(self, sector: int, data: bytes) -> None:
        raise OSError("the disk is broken")

    def flush(self) -> None:
        raise OSError("the disk is broken")


def disk(contents: bytes | None = None, **how: bool) -> tuple[Driver, MemoryDisk]:
    medium = MemoryDisk(bytes(n * 7 & 0xFF for n in range(512 * SECTORS)) if contents is None else contents)
    driver = Driver(VirtioBlk(medium, "serial-17", **how))
    driver.start()
    return driver, medium


def request(driver: Driver, what: int, sector: int = 0, data: bytes = b"", room: int = 0) -> tuple[int, bytes]:
    """Its end, and what was read."""
    found = driver.ask(0, [pack("<IIQ", what, 0, sector), *([data] if data else [])], [*([room] if room else []), 1])
    return found[-1] if len(found) == room + 1 else -1, found[:-1]


def test_a_disk_tells_its_size() -> None:
    driver, _ = disk()
    assert driver.function.load(0, 4) == 0x1042_1AF4
    assert driver.configuration(0, 8) == SECTORS and driver.configuration(20, 4) == 512
    assert driver.configuration(12, 4) + 2 <= driver.load(0x18, 2)      # a request's descriptors fit
    assert not driver.offered & 1 << 5


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, SECTORS + 2), st.integers(1, 5), st.integers(0, 255)), max_size=12))
def test_a_disk_behaves_like_bytes(steps: list[tuple[bool, int, int, int]]) -> None:
    driver, medium = disk()
    model = bytearray(medium.read(0, SECTORS))
    for is_write, sector, count, seed in steps:
        place = slice(512 * sector, 512 * (sector + count))
        inside = sector + count <= SECTORS
        if is_write:
            data = bytes(seed + n & 0xFF for n in range(512 * count))
            assert request(driver, OUT, sector, data) == (OK if inside else IOERR, b"")
            if inside:
                model[place] = data
        elif inside:
            assert request(driver, IN, sector, room=512 * count) == (OK, bytes(model[place]))
        else:                                               # only the end is written
            driver.rings[0].offer([pack("<IIQ", IN, 0, sector)], [512 * count, 1])
            driver.kick(0)
            assert driver.ram.read(driver.rings[0].at - 1, 1) == bytes([IOERR])
            driver.rings[0].collect()
    assert medium.read(0, SECTORS) == bytes(model)


def test_a_request_may_be_cut_anywhere() -> None:
    driver, medium = disk()
    header = pack("<IIQ", OUT, 0, 3)
    assert driver.ask(0, [header[:5], header[5:] + b"a" * 100, b"b" * 412], [1]) == bytes([OK])
    assert medium.read(3, 1) == b"a" * 100 + b"b" * 412
    assert driver.ask(0, [pack("<IIQ", IN, 0, 3)], [40, 400, 73], indirect=True) == medium.read(3, 1) + bytes([OK])


def test_the_other_requests_of_a_disk() -> None:
    driver, medium = disk()
    assert request(driver, FLUSH) == (OK, b"")
    assert request(driver, GET_ID, room=20) == (OK, b"serial-17".ljust(20, b"\0"))
    ranges = pack("<QII", 1, 2, 1) + pack("<QII", 39, 1, 0)
    assert request(driver, WRITE_ZEROES, data=ranges) == (OK, b"")
    assert medium.read(1, 2) == bytes(1024) and medium.read(39, 1) == bytes(512) and any(medium.read(3, 1))
    assert request(driver, DISCARD, data=pack("<QII", 3, 1, 0))[0] == UNSUPP and any(medium.read(3, 1))
    assert request(driver, WRITE_ZEROES, data=pack("<QII", 3, 1, 2))[0] == UNSUPP
    assert request(driver, WRITE_ZEROES, data=pack("<QII", 39, 2, 0))[0] == IOERR
    assert request(driver, WRITE_ZEROES, data=b"short")[0] == UNSUPP
    assert request(driver, 77)[0] == UNSUPP
    assert request(driver, OUT, 0, b"no whole sector")[0] == IOERR


def test_zeros_are_written_only_where_there_is_something_else() -> None:
    class Watched(MemoryDisk):
        written = 0

        def write(self, sector: int, data: bytes) -> None:
            self.written += len(data)
            super().write(sector, data)

    medium = Watched(bytes(8 << 20))
    medium.write(5000, b"x" * 512)
    medium.written = 0
    driver = Driver(VirtioBlk(medium))
    driver.start()
    assert request(driver, WRITE_ZEROES, data=pack("<QII", 0, medium.sectors, 1)) == (OK, b"")
    assert medium.written == 1 << 20 and not any(medium.read(0, medium.sectors))


def test_a_disk_that_can_only_be_read() -> None:
    driver, medium = disk(read_only=True)
    before = medium.read(0, SECTORS)
    assert driver.offered & 1 << 5 and not driver.offered & 1 << 14
    assert request(driver, OUT, 0, b"x" * 512)[0] == IOERR
    assert request(driver, WRITE_ZEROES, data=pack("<QII", 0, 1, 0))[0] == UNSUPP
    assert request(driver, IN, 0, room=512)[0] == OK and medium.read(0, SECTORS) == before


def test_a_disk_that_fails() -> None:
    driver = Driver(VirtioBlk(Broken(bytes(4096))))
    driver.start()
    assert request(driver, OUT, 0, b"x" * 512)[0] == IOERR == request(driver, FLUSH)[0]
    driver.rings[0].offer([pack("<IIQ", IN, 0, 0)], [512, 1])
    driver.kick(0)
    assert driver.rings[0].collect()[0][1] == b"" and driver.ram.read(driver.rings[0].at - 1, 1) == bytes([IOERR])


@pytest.mark.parametrize("readable, writable", [([b"short"], [1]), ([bytes(16)], [])])
def test_a_request_without_header_or_end(readable: list[bytes], writable: list[int]) -> None:
    driver, _ = disk()
    driver.rings[0].offer(readable, writable)
    driver.kick(0)
    assert driver.status & NEEDS_RESET and driver.rings[0].collect() == []


# -- network ---------------------------------------------------------------------------------------------------

class Mirror:
    """A network that answers each frame at once, turned round; the real one is ``arrived``."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.arrived: list[bytes] = []
        self._answers: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)
        self._answers.append(frame[::-1])

    def poll(self) -> Iterable[bytes]:
        found, self._answers = self._answers, []
        return found

    def attend(self) -> None:
        self._answers += self.arrived
        self.arrived = []


MAC = bytes.fromhex("020000000001")
HEADER = bytes(10) + b"\x01\0"


def network(features: int | None = None) -> tuple[Driver, VirtioNet, Mirror]:
    mirror = Mirror()
    card = VirtioNet(MAC, mirror)
    driver = Driver(card)
    driver.start(features, sizes=(8, 8))
    return driver, card, mirror


def test_a_network_card_tells_its_address() -> None:
    driver, _, _ = network()
    assert driver.function.load(0, 4) == 0x1041_1AF4
    assert driver.configuration(0, 6).to_bytes(6, "little") == MAC and driver.configuration(6, 2) == 1


@settings(max_examples=30)
@given(st.lists(st.one_of(st.integers(0, 1600), st.just(-1)), max_size=40))
def test_frames_go_out_and_answers_come_back_in_order(steps: list[int]) -> None:
    """-1: the driver gives a buffer to receive into; else: it sends a frame of so many bytes."""
    driver, _, mirror = network()
    receive, send = driver.rings
    wanted: list[bytes] = []
    found: list[bytes] = []
    for step in steps:
        if step < 0:
            if receive.free:
                receive.offer([], [1600])
                driver.kick(0)
        else:
            frame = bytes(step + n & 0xFF for n in range(step))
            assert driver.ask(1, [bytes(12), frame]) == b""
            wanted += [frame] if 14 <= step <= 1518 else []
        found += [data for _, data in receive.collect()]
    while len(found) < len(wanted):
        receive.offer([], [12, 1588])
        driver.kick(0)
        (_, data), = receive.collect()
        found.append(data)
    assert mirror.sent == wanted and found == [HEADER + frame[::-1] for frame in wanted]
    assert send.seen == len([step for step in steps if step >= 0])


def test_a_frame_is_lost_where_it_has_no_room_and_when_nobody_listens() -> None:
    driver, card, _ = network()
    driver.rings[0].offer([], [100])
    card.receive([b"x" * 200])
    assert driver.rings[0].collect()[0][1] == b""
    card.receive([b"y" * 1000] * 1000)
    assert len(card.state.waiting) <= MOST_FRAMES
    driver.status = 0
    card.receive([b"z" * 100])
    assert not card.state.waiting


def test_frames_that_wait_are_saved() -> None:
    _, card, _ = network()
    card.receive([b"first".ljust(20), b"second".ljust(20)])
    other, fresh, _ = network()
    fresh.restore(card.save())
    other.rings[0].offer([], [100])
    other.kick(0)
    assert other.rings[0].collect()[0][1][12:].strip() == b"first"


# -- entropy ---------------------------------------------------------------------------------------------------

def entropy(seed: int) -> Driver:
    driver = Driver(VirtioRng(seed))
    driver.start()
    return driver


def test_entropy_is_a_stream_chosen_by_its_seed() -> None:
    whole = entropy(7).ask(0, [], [1000])
    piecewise = entropy(7)
    assert b"".join(piecewise.ask(0, [], [size]) for size in (1, 63, 64, 65, 300, 507)) == whole
    assert len(set(whole)) > 200 and entropy(8).ask(0, [], [1000]) != whole
    assert len(entropy(7).ask(0, [], [6000])) == 4096


def test_entropy_goes_on_after_a_snapshot() -> None:
    one, other = entropy(3), entropy(3)
    one.ask(0, [], [100])
    other.device.restore(one.device.save())
    assert other.ask(0, [], [50]) == one.ask(0, [], [50])


# -- console ---------------------------------------------------------------------------------------------------

def test_a_console_says_what_it_is_given_and_types_in_order() -> None:
    said = bytearray()
    card = VirtioConsole(said.append)
    driver = Driver(card)
    card.receive(b"before there is a driver")
    driver.start()
    driver.ask(1, [b"hel", b"lo " * 3000])
    assert said == b"hel" + b"lo " * 3000
    driver.rings[0].offer([], [6])
    driver.rings[0].offer([], [100])
    driver.kick(0)
    assert b"".join(data for _, data in driver.rings[0].collect()) == b"before there is a driver"
    driver.rings[0].offer([], [4, 4])
    assert driver.rings[0].collect() == []
    card.receive(b"keys and more")
    assert driver.line and [data for _, data in driver.rings[0].collect()] == [b"keys and"]
    assert card.room == MOST_WAITING - 5
    other = VirtioConsole(said.append)
    other.restore(card.save())
    assert other.state.waiting == b" more"


def test_more_than_a_console_takes_at_once() -> None:
    driver = Driver(VirtioConsole(lambda byte: None), FakeRam(4 << 20))
    driver.start()
    driver.rings[1].offer([bytes(1 << 20), b"x"])
    driver.kick(1)
    assert driver.status & NEEDS_RESET


# -- cards -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("card, device", [
    (DiskCard(MemoryDisk(bytes(512))), 0x1042), (NetworkCard(Mirror()), 0x1041), (EntropyCard(), 0x1044),
    (ConsoleCard(MemoryConsole()), 0x1043)], ids=["disk", "network", "entropy", "console"])
def test_a_card_in_its_slot(card: Card, device: int) -> None:
    plugged = card.plug(World().outside)
    assert plugged.function.load(0, 4) == device << 16 | 0x1AF4
    plugged.attend()
    for part in plugged.devices.values():
        part.restore(part.save())


def test_what_comes_from_outside_comes_when_the_cards_are_attended() -> None:
    mirror, typed = Mirror(), MemoryConsole()
    plugged = NetworkCard(mirror).plug(World().outside)
    card = plugged.devices["device"]
    assert isinstance(card, VirtioNet)
    card.start(VERSION_1)
    mirror.arrived.append(b"a frame of the real network")
    for frame in plugged.attend():
        plugged.receive(frame)
    assert bytes(card.state.waiting[2:]) == b"a frame of the real network"
    slot = ConsoleCard(typed).plug(World().outside)
    typed.type(b"keys")
    for keys in slot.attend():
        slot.receive(keys)
    port = slot.devices["device"]
    assert isinstance(port, VirtioConsole) and port.state.waiting == b"keys"
