"""Framing, acknowledgements and what a hostile or broken stream can do."""
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmm.gdbstub.wire import Decoder, Event, NotGdb, Signal, escape, fitting, frame, unescape

from .client import Client
from .machine import BASE, SIZE, Machine

WRITE = frame(f"M{BASE:x},4:efbeadde".encode())


def decode(*pieces: bytes, limit: int = 64) -> list[Event]:
    decoder = Decoder(limit)
    return [event for piece in pieces for event in decoder.feed(piece)]


def test_frame_ends_in_the_sum_of_its_bytes() -> None:
    assert frame(b"OK") == b"$OK#9a"
    assert frame(b"") == b"$#00"


@given(st.binary())
def test_escapes_come_back(data: bytes) -> None:
    assert unescape(escape(data)) == data
    assert not set(b"#$*") & set(escape(data))


def test_a_lone_escape_at_the_end_stands_for_nothing() -> None:
    assert unescape(b"ab}") == b"ab"


@given(st.binary(max_size=100), st.integers(2, 60))
def test_what_fits_never_exceeds_the_room(data: bytes, room: int) -> None:
    escaped, taken = fitting(data, room)
    assert len(escaped) <= room
    assert unescape(escaped) == data[:taken]
    assert taken or not data


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 7))
def test_pieces_do_not_matter(bodies: list[bytes], size: int) -> None:
    bodies = [escape(body) for body in bodies]
    stream = b"+" + b"".join(map(frame, bodies))
    pieces = [stream[at:at + size] for at in range(0, len(stream), size)]
    assert decode(*pieces) == [Signal.ACK, *bodies]


@pytest.mark.parametrize(("stream", "events"), [
    (b"$OK#9b", [Signal.BAD_CHECKSUM]),
    (b"$OK#zz", [Signal.BAD_CHECKSUM]),
    (b"$OK#+9", [Signal.BAD_CHECKSUM]),
    (b"$OK#9A", [b"OK"]),
    (b"+-\x03", [Signal.ACK, Signal.NAK, Signal.INTERRUPT]),
    (b"$OK#9a\x03$OK#9a", [b"OK", Signal.INTERRUPT, b"OK"]),
    (frame(b"X0,3:a\x03b"), [b"X0,3:a\x03b"]),
    (b"%Stop#aa$OK#9a", [b"OK"]),
    (b"$" + b"a" * 65 + b"#00$OK#9a", [Signal.OVERSIZE, b"OK"]),
    (frame(b"a" * 64), [b"a" * 64]),
    (b"+noise$OK#9a", [Signal.ACK, b"OK"]),
])
def test_events(stream: bytes, events: list[Event]) -> None:
    assert decode(stream) == events
    assert decode(*(stream[at:at + 1] for at in range(len(stream)))) == events


def test_an_endless_packet_takes_no_memory() -> None:
    decoder = Decoder(limit=64)
    assert [event for _ in range(1000) for event in decoder.feed(b"$" + b"a" * 999)] == []
    assert len(decoder._body) <= 64


@pytest.mark.parametrize("first", [byte for byte in range(256) if byte not in b"+-$%\x03"])
def test_another_protocol_is_refused_at_its_first_byte(first: int) -> None:
    with pytest.raises(NotGdb):
        decode(bytes((first,)) + WRITE)


def test_a_post_from_a_browser_writes_nothing(machine: Machine) -> None:
    client = Client(machine, hello="")
    with pytest.raises(NotGdb):
        client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n" + WRITE)
    assert machine.memory[1] == bytes(SIZE)


def test_a_bad_checksum_is_asked_for_again(client: Client, machine: Machine) -> None:
    assert client.send(WRITE[:-2] + b"00") == b"-"
    assert machine.memory[1] == bytes(SIZE)
    assert client.send(WRITE) == b"+" + frame(b"OK")


def test_a_client_can_ask_again(client: Client) -> None:
    first = client.send(frame(b"qC"))
    assert b"+" + client.send(b"-") == first


def test_without_acknowledgements_every_packet_still_has_one_reply(client: Client) -> None:
    assert client.send(frame(b"QStartNoAckMode")) == b"+" + frame(b"OK")
    assert client.send(b"+" + frame(b"qC")) == frame(b"QCp1.1")
    assert client.send(b"$qC#00") == frame(b"E16")
    assert client.send(b"-") == b""


def test_an_oversize_packet_is_refused(client: Client) -> None:
    assert client.send(frame(b"X0,0:" + b"a" * 0x20000)) == b"+" + frame(b"E16")


def test_two_packets_in_a_segment_are_two_replies(client: Client) -> None:
    assert client.send(frame(b"qC") + frame(b"Tp1.2")) == b"+" + frame(b"QCp1.1") + b"+" + frame(b"OK")
