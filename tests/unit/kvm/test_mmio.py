"""Device loads and stores of a guest (rows MI-2..MI-6)."""
from __future__ import annotations

import pytest

from tests.support.plain_ram import PlainRam
from vmm.arch.insns import ROWS
from vmm.kvm import mmio
from vmm.kvm.exits import MmioLoad, MmioStore
from vmm.kvm.vcpu import Emulation, Mmio, Vcpu

ENCODINGS = {row.name: row.encoding for row in ROWS if row.on(5)}
PC, RESUME, DEVICE = 0x4010_0000, 0x4010_0004, 0x1800_03F8


def vcpu(word: int = 4) -> Vcpu:
    made = Vcpu(0, PlainRam(0x10000), 0, 0x4000, word=word, big_endian=False)
    made.pc = PC
    return made


def access(name: str, rt: int = 8) -> int:
    return ENCODINGS[name].join(base=9, rt=rt, offset=0x10)


@pytest.mark.parametrize(("name", "size", "value"), [("sb", 1, 0x89), ("sh", 2, 0x6789), ("sw", 4, 0x23456789)])
def test_stores_move_their_size_and_are_over_when_reported_mi2(name: str, size: int, value: int) -> None:
    v = vcpu()
    v.gpr[8] = 0x23456789
    assert mmio.emulate_store(v, access(name), DEVICE, RESUME, release=2) is Emulation.DO_MMIO
    assert v.exit == MmioStore(DEVICE, size, value)
    assert v.pc == RESUME


@pytest.mark.parametrize(("name", "size", "data", "value"), [
    ("lb",  1, 0x80,       0xFFFFFFFF_FFFFFF80),
    ("lbu", 1, 0x80,       0x80),
    ("lh",  2, 0x8000,     0xFFFFFFFF_FFFF8000),
    ("lhu", 2, 0x8000,     0x8000),
    ("lw",  4, 0x80000000, 0xFFFFFFFF_80000000),
])
def test_loads_stay_at_the_load_until_completed_mi3_mi4(name: str, size: int, data: int, value: int) -> None:
    v = vcpu()
    assert mmio.emulate_load(v, access(name), DEVICE, RESUME, release=2) is Emulation.DO_MMIO
    assert v.exit == MmioLoad(DEVICE, size)
    assert v.pc == PC
    assert mmio.complete_load(v, data) is Emulation.DONE
    assert (v.pc, v.gpr[8], v.mmio.needed) == (RESUME, value, Mmio.NONE)


def test_wide_accesses_are_for_64_bit_guests_mi2_mi3() -> None:
    v = vcpu(word=8)
    v.gpr[8] = 0x0123456789ABCDEF
    assert mmio.emulate_store(v, access("sd"), DEVICE, RESUME, release=2) is Emulation.FAIL
    assert mmio.emulate_store(v, access("sd"), DEVICE, RESUME, release=2, wide=True) is Emulation.DO_MMIO
    assert v.exit == MmioStore(DEVICE, 8, 0x0123456789ABCDEF)
    mmio.emulate_load(v, access("lwu"), DEVICE, RESUME, release=2, wide=True)
    mmio.complete_load(v, 0x80000000)
    assert v.gpr[8] == 0x80000000
    mmio.emulate_load(v, access("ld"), DEVICE, RESUME, release=2, wide=True)
    mmio.complete_load(v, 1 << 63)
    assert v.gpr[8] == 1 << 63


def test_data_longer_than_a_register_fail_mi4() -> None:
    v = vcpu(word=4)
    mmio.emulate_load(v, access("ld"), DEVICE, RESUME, release=2, wide=True)
    assert mmio.complete_load(v, 1) is Emulation.FAIL


def test_a_load_to_register_zero_mi4() -> None:
    v = vcpu()
    mmio.emulate_load(v, access("lw", rt=0), DEVICE, RESUME, release=2)
    mmio.complete_load(v, 5)
    assert v.gpr[0] == 0
    assert v.pc == RESUME


@pytest.mark.parametrize("name", ["ll", "sc", "lwl", "swr", "addiu"])
def test_nothing_else_reaches_a_device_mi5(name: str) -> None:
    code = ENCODINGS[name].match
    assert mmio.emulate_load(vcpu(), code, DEVICE, RESUME, release=2) is Emulation.FAIL
    assert mmio.emulate_store(vcpu(), code, DEVICE, RESUME, release=2) is Emulation.FAIL


def test_a_load_is_no_store_mi2() -> None:
    assert mmio.emulate_store(vcpu(), access("lw"), DEVICE, RESUME, release=2) is Emulation.FAIL
    assert mmio.emulate_load(vcpu(), access("sw"), DEVICE, RESUME, release=2) is Emulation.FAIL


@pytest.mark.parametrize(("address", "in_slot", "fetch"), [
    (PC, False, True), (PC + 4, False, False), (PC + 4, True, True), (PC + 8, True, False), (PC - 4, True, False),
])
def test_a_fetch_is_never_a_device_access_mi6(address: int, in_slot: bool, fetch: bool) -> None:
    assert mmio.is_fetch_fault(PC, address, in_slot=in_slot) is fetch


class Devices:
    """A bus with one device of one register."""

    def __init__(self) -> None:
        self.value = 0xFFFF_FF80

    def load(self, address: int, size: int) -> int | None:
        return self.value if address == DEVICE else None

    def store(self, address: int, size: int, value: int) -> bool:
        if address == DEVICE:
            self.value = value
        return address == DEVICE


def test_a_device_on_the_bus_is_served_inside() -> None:
    v, bus = vcpu(), Devices()
    assert mmio.emulate_load(v, access("lb"), DEVICE, RESUME, release=2, bus=bus) is Emulation.DONE
    assert v.exit is None and v.mmio.needed is Mmio.NONE and v.pc == RESUME
    loaded = [n for n in range(32) if v.gpr[n] == 0xFFFFFFFF_FFFFFF80]
    assert len(loaded) == 1
    assert mmio.emulate_store(v, access("sw"), DEVICE, RESUME, release=2, bus=bus) is Emulation.DONE
    assert v.exit is None and v.mmio.needed is Mmio.NONE


def test_what_no_device_takes_goes_to_the_vmm() -> None:
    for bus in (Devices(), None):
        v = vcpu()
        assert mmio.emulate_load(v, access("lw"), DEVICE + 4, RESUME, release=2, bus=bus) is Emulation.DO_MMIO
        assert v.exit is not None and v.mmio.needed is not Mmio.NONE and v.pc != RESUME
