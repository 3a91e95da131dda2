"""Virtqueues: buffers cut in any way, indexes that wrap, notices that are wanted, and rings that are nonsense."""
from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.board import FakeRam
from tests.support.virtio import INDIRECT, NEXT, WRITE, Ring
from vmm.guest.devices.virtio.queue import Malformed, Virtqueue


def pair(size: int = 8, *, event_index: bool = False) -> tuple[Virtqueue, Ring]:
    ram = FakeRam()
    ring, queue = Ring(ram, 0x100, size, event_index=event_index), Virtqueue(ram, 256)
    queue.size, queue.descriptors, queue.driver, queue.device = size, ring.descriptors, ring.driver, ring.device
    queue.indirect, queue.event_index = True, event_index
    queue.enable()
    queue.begin_turn()
    return queue, ring


buffers = st.tuples(st.lists(st.binary(max_size=40), max_size=4), st.lists(st.integers(0, 40), max_size=4), st.booleans()
                    ).filter(lambda buffer: bool(buffer[0] or buffer[1]))


@settings(max_examples=60)
@given(st.lists(buffers, max_size=30), st.booleans(), st.integers(0, 0xFFFF))
def test_what_is_offered_arrives_and_what_is_written_comes_back(
        offers: list[tuple[list[bytes], list[int], bool]], event_index: bool, start: int) -> None:
    """Whatever the cut into descriptors, and wherever the indexes are (they wrap at 16 bits)."""
    queue, ring = pair(event_index=event_index)
    queue.seen = queue.used = queue.told = ring.index = ring.seen = start
    ring.ram.write(ring.driver + 2, pack("<H", start))
    ring.ram.write(ring.device + 2, pack("<H", start))
    ring.ram.write(ring.driver + 4 + 2 * ring.size, pack("<H", start))  # tell me of the first one
    for readable, writable, indirect in offers:
        queue.begin_turn()
        head = ring.offer(readable, writable, indirect=indirect)
        chain = queue.take()
        assert chain is not None and queue.take() is None
        sent, room = b"".join(readable), sum(writable)
        assert chain.read(0, 1000) == sent and chain.read(7, 9) == sent[7:16] and chain.writable == room
        answer = bytes(range(256))[:room] + b"more than there is room for"
        assert chain.write(0, answer[:33]) == min(33, room)
        assert chain.write(33, answer[33:]) == max(0, room - 33)
        queue.give_back(chain, room)
        assert queue.wants_notice() and not queue.wants_notice()
        (found, data), = ring.collect()
        assert found == head and data == (answer[:33].ljust(33, b"?") + answer[33:])[:room]


def test_buffers_are_taken_in_order_and_given_back_in_any() -> None:
    queue, ring = pair()
    heads = [ring.offer([bytes([n])], [1]) for n in range(4)]
    chains = [chain for _ in heads if (chain := queue.take()) is not None]
    assert [chain.head for chain in chains] == heads and [chain.read(0, 1)[0] for chain in chains] == [0, 1, 2, 3]
    for chain in reversed(chains):
        chain.write(0, chain.read(0, 1))
        queue.give_back(chain, 1)
    assert [data[0] for _, data in ring.collect()] == [3, 2, 1, 0]


def test_a_driver_that_wants_no_interrupts() -> None:
    queue, ring = pair()
    ring.ram.write(ring.driver, pack("<H", 1))
    ring.offer([b"x"])
    chain = queue.take()
    assert chain is not None
    queue.give_back(chain)
    assert not queue.wants_notice()


@given(st.integers(0, 0xFFFF), st.integers(0, 12), st.integers(1, 8))
def test_the_event_index_asks_for_a_notice_when_it_is_passed(start: int, ahead: int, count: int) -> None:
    queue, ring = pair(event_index=True)
    queue.seen = queue.used = queue.told = ring.index = start
    ring.ram.write(ring.driver + 4 + 2 * ring.size, pack("<H", start + ahead & 0xFFFF))
    for _ in range(count):
        ring.offer([b"x"])
        chain = queue.take()
        assert chain is not None
        queue.give_back(chain)
    assert queue.wants_notice() == (ahead < count)


def test_an_empty_queue_asks_to_be_told_of_the_next_buffer() -> None:
    queue, ring = pair(event_index=True)
    for n in range(3):
        assert queue.take() is None and ring.number(ring.device + 4 + 8 * ring.size) == n
        ring.offer([b"x"])
        assert queue.take() is not None


# -- what is not allowed ---------------------------------------------------------------------------------------

def refused(queue: Virtqueue, ring: Ring, *descriptors: tuple[int, int, int, int], head: int = 0, says: str) -> None:
    for slot, (address, size, flags, following) in enumerate(descriptors):
        ring.descriptor(ring.descriptors, slot, address, size, flags, following)
    ring.expose(head)
    with pytest.raises(Malformed, match=says):
        queue.take()


def test_a_loop() -> None:
    refused(*pair(), (0x8000, 1, NEXT, 1), (0x8000, 1, NEXT, 0), says="longer than the queue")


def test_a_head_or_a_link_beyond_the_table() -> None:
    refused(*pair(), head=8, says="descriptor 8 of 8")
    refused(*pair(), (0x8000, 1, NEXT, 0xFFFF), says="descriptor 65535 of 8")


def test_readable_after_writable() -> None:
    refused(*pair(), (0x8000, 1, NEXT | WRITE, 1), (0x8000, 1, 0, 0), says="readable descriptor after a writable one")


@pytest.mark.parametrize("size, flags, offered", [
    (16, INDIRECT, False), (16, INDIRECT | NEXT, True), (0, INDIRECT, True), (24, INDIRECT, True)])
def test_indirect_descriptors_that_are_not_allowed(size: int, flags: int, offered: bool) -> None:
    queue, ring = pair()
    queue.indirect = offered
    refused(queue, ring, (0x8000, size, flags, 1), says="indirect descriptor")


def test_an_indirect_table_in_an_indirect_table() -> None:
    queue, ring = pair()
    ring.descriptor(0x8000, 0, 0x9000, 16, INDIRECT)
    refused(queue, ring, (0x8000, 16, INDIRECT, 0), says="indirect descriptor")


def test_a_table_longer_than_the_queue() -> None:
    queue, ring = pair()
    for slot in range(9):
        ring.descriptor(0x8000, slot, 0x9000, 1, NEXT if slot < 8 else 0, slot + 1)
    refused(queue, ring, (0x8000, 9 * 16, INDIRECT, 0), says="longer than the queue")


def test_a_full_queue_and_a_table_of_its_size_are_allowed() -> None:
    queue, ring = pair()
    ring.offer([b"x"] * 8)
    chain = queue.take()
    assert chain is not None and chain.readable == 8
    queue.give_back(chain)
    ring.collect()
    ring.offer([b"x"] * 8, indirect=True)
    chain = queue.take()
    assert chain is not None and chain.readable == 8


def test_more_buffers_than_the_queue_has_room_for() -> None:
    queue, ring = pair()
    ring.ram.write(ring.driver + 2, pack("<H", 9))
    with pytest.raises(Malformed, match="9 buffers are available in a queue of 8"):
        queue.take()


def test_more_than_4_gib() -> None:
    rows = [(0x8000, 0xFFFF_FFFF, NEXT if n < 1 else 0, n + 1) for n in range(2)]
    refused(*pair(), *rows, says="a chain of")


def test_memory_that_is_not_there() -> None:
    queue, ring = pair()
    ring.descriptor(ring.descriptors, 0, 1 << 63, 4, 0)
    ring.expose(0)
    chain = queue.take()
    assert chain is not None
    with pytest.raises(Malformed, match="no memory at 0x8000000000000000"):
        chain.read(0, 4)
    queue.driver = (1 << 64) - 2
    with pytest.raises(Malformed, match="no memory"):
        queue.take()


@pytest.mark.parametrize("size", [0, 3, 257, 512, 0xFFFF])
def test_sizes_that_are_not_allowed(size: int) -> None:
    queue = Virtqueue(FakeRam(), 256)
    queue.size = size
    with pytest.raises(Malformed, match="not a power of two up to 256"):
        queue.enable()
