"""The serial port, seen as a driver sees it: registers, and one interrupt line."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.guest.devices.uart16550 import Uart16550

RBR = THR = DLL = 0
IER = DLM = 1
IIR = FCR = 2
LCR, MCR, LSR, MSR, SCR = 3, 4, 5, 6, 7
LOOP = 0x10


class Port:
    def __init__(self) -> None:
        self.sent = bytearray()
        self.line = False
        self.uart = Uart16550(self.set_line, self.sent.append)

    def set_line(self, level: bool) -> None:
        self.line = level

    def read(self, offset: int) -> int:
        value = Uart16550.regs.load(self.uart, offset)
        assert value is not None
        return value

    def write(self, offset: int, value: int) -> bool:
        return Uart16550.regs.store(self.uart, offset, value)


@pytest.fixture
def port() -> Port:
    return Port()


def test_reset_values(port: Port) -> None:
    assert [port.read(at) for at in range(1, 8)] == [0, 0x01, 0, 0, 0x60, 0xB0, 0]
    assert not port.line


def test_transmits_at_once(port: Port) -> None:
    for byte in b"hi\n":
        assert port.read(LSR) & 0x60 == 0x60
        port.write(THR, byte)
    assert port.sent == b"hi\n"


def test_the_divisor_hides_data_and_enable(port: Port) -> None:
    port.write(LCR, 0x83)
    port.write(DLL, 0x34)
    port.write(DLM, 0x12)
    assert (port.read(DLL), port.read(DLM)) == (0x34, 0x12) and not port.sent
    port.write(LCR, 0x03)
    assert port.uart.state.divisor == 0x1234 and port.read(IER) == 0 and port.read(LCR) == 3


def test_receives_one_by_one_without_fifos(port: Port) -> None:
    port.write(IER, 0x01)
    port.uart.receive(b"ab")
    assert port.line and port.read(IIR) == 0x04 and port.read(LSR) == 0x61
    assert port.read(RBR) == ord("a") and port.line
    assert port.read(RBR) == ord("b") and not port.line
    assert port.read(RBR) == 0 and port.read(LSR) == 0x60


def test_a_paste_longer_than_the_fifo_loses_nothing(port: Port) -> None:
    port.write(FCR, 0xC1)
    text = bytes(range(256)) * 4
    port.uart.receive(text)
    assert len(port.uart.state.fifo) == 16
    assert bytes(port.read(RBR) for _ in text) == text and port.read(LSR) == 0x60


@pytest.mark.parametrize(("fcr", "level"), [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)])
def test_trigger_levels_and_the_time_out(port: Port, fcr: int, level: int) -> None:
    port.write(FCR, fcr)
    port.write(IER, 0x01)
    port.uart.receive(b"x" * (level - 1))
    assert port.read(IIR) == (0xCC if level > 1 else 0xC1)
    port.uart.receive(b"x")
    assert port.read(IIR) == 0xC4


def test_fifo_resets(port: Port) -> None:
    port.write(FCR, 0x01)
    port.uart.receive(b"abc")
    port.write(FCR, 0x02)                                   # turning FIFOs off clears them too
    assert port.read(LSR) == 0x60 and port.read(IIR) == 0x01
    port.write(FCR, 0x01)
    port.uart.receive(b"abc")
    port.write(FCR, 0x03)
    assert port.read(LSR) == 0x60 and port.read(IIR) == 0xC1


def test_the_transmitter_asks_when_enabled_and_after_each_byte(port: Port) -> None:
    port.write(IER, 0x02)
    assert port.line and port.read(IIR) == 0x02
    assert not port.line and port.read(IIR) == 0x01         # reading was the acknowledgement
    port.write(THR, 0x41)
    assert port.line and port.read(IIR) == 0x02 and not port.line
    port.write(IER, 0x00)
    port.write(IER, 0x02)                                   # as drivers probe it
    assert port.line


def test_priorities(port: Port) -> None:
    port.write(MCR, LOOP)
    port.write(IER, 0x0F)
    port.write(MCR, LOOP | 0x02)                            # a modem line changes
    for byte in b"ab":
        port.write(THR, byte)                               # the second overruns the first
    seen = []
    for acknowledge in (LSR, RBR, IIR, MSR):
        seen.append(port.read(IIR))
        if acknowledge != IIR:                              # reading IIR has acknowledged the transmitter
            port.read(acknowledge)
    assert seen == [0x06, 0x04, 0x02, 0x00]
    assert port.read(IIR) == 0x01 and not port.line


def test_loopback_of_modem_lines(port: Port) -> None:
    port.write(MCR, LOOP)
    port.read(MSR)
    for control, line in ((0x01, 0x20), (0x02, 0x10), (0x04, 0x40), (0x08, 0x80)):
        port.write(MCR, LOOP | control)
        assert port.read(MSR) & 0xF0 == line
    port.read(MSR)
    port.write(MCR, LOOP | 0x04)
    assert port.read(MSR) & 0x04 == 0                       # ring indicator: only its end counts
    port.write(MCR, LOOP)
    assert port.read(MSR) & 0x0F == 0x04


def test_a_driver_counts_the_fifo_in_loopback(port: Port) -> None:
    port.write(FCR, 0x01)
    port.write(MCR, LOOP)
    for byte in range(256):
        port.write(THR, byte)
    counted = 0
    while port.read(LSR) & 1:
        assert port.read(RBR) == counted
        counted += 1
    assert counted == 16 and port.sent == b""


def test_overrun_is_told_once(port: Port) -> None:
    port.write(MCR, LOOP)
    for byte in b"ab":
        port.write(THR, byte)
    assert port.read(LSR) == 0x63 and port.read(LSR) == 0x61
    assert port.read(RBR) == ord("b")                       # the 16450's buffer keeps the newest


def test_the_cable_waits_during_loopback(port: Port) -> None:
    port.write(MCR, LOOP)
    port.uart.receive(b"k")
    assert port.read(LSR) == 0x60
    port.write(MCR, 0)
    assert port.read(RBR) == ord("k")


def test_reserved_bits_read_zero(port: Port) -> None:
    for at in (IER, MCR):
        port.write(at, 0xFF)
    port.write(SCR, 0xA5)
    assert (port.read(IER), port.read(MCR), port.read(SCR)) == (0x0F, 0x1F, 0xA5)


def test_status_cannot_be_written(port: Port) -> None:
    assert not port.write(LSR, 0) and not port.write(MSR, 0) and port.write(SCR, 0)


def test_restore_sets_the_line(port: Port) -> None:
    port.write(IER, 0x01)
    port.uart.receive(b"x")
    other = Port()
    other.uart.restore(port.uart.save())
    assert other.line and other.read(RBR) == ord("x") and port.read(LSR) == 0x61


steps = st.lists(st.tuples(st.sampled_from("rwk"), st.integers(0, 7), st.integers(0, 255)), max_size=60)


def play(port: Port, ops: list[tuple[str, int, int]]) -> list[object]:
    seen: list[object] = []
    for what, offset, value in ops:
        if what == "r":
            seen.append(port.read(offset))
        elif what == "w":
            port.write(offset, value)
        else:
            port.uart.receive(bytes([value]) * offset)
        seen.append(port.line)
    return [*seen, bytes(port.sent)]


@settings(max_examples=200)
@given(steps, steps)
def test_save_and_restore_change_nothing_observable(before: list[tuple[str, int, int]],
                                                    after: list[tuple[str, int, int]]) -> None:
    one, other = Port(), Port()
    play(one, before)
    other.uart.restore(one.uart.save())
    one.sent.clear()
    assert other.line == one.line and other.uart.save() == one.uart.save()
    assert play(one, after) == play(other, after)
