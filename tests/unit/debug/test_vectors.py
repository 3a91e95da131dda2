"""MSA's registers as a debugger sees them: whole numbers, wherever they are now, in either byte order."""
from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.gdb import programs
from tests.gdb.session import target
from vmm.arch.cp0.registers import Status
from vmm.arch.fp import Guard
from vmm.debug import DebugTarget
from vmm.debug.layout import FCSR, FIRST_FPR, FIRST_VECTOR, MSACSR, MSAIR
from vmm.gdbstub.target import TargetError, ThreadId

HOST, GUEST = ThreadId(1, 1), ThreadId(2, 1)
LOW, HIGH = 0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908
WHOLE = HIGH << 64 | LOW
W3, F3 = FIRST_VECTOR + 3, FIRST_FPR + 3


@pytest.fixture
def bare() -> DebugTarget:
    return target("bare", "P5600", programs.image())


def write(debugged: DebugTarget, thread: ThreadId, number: int, value: int, size: int) -> None:
    debugged.write_register(thread, number, value.to_bytes(size, "little"))


def read(debugged: DebugTarget, thread: ThreadId, number: int) -> int | None:
    value = debugged.read_register(thread, number)
    return None if value is None else int.from_bytes(value, "little")


def test_a_vector_register_holds_a_register_of_the_fpu(bare: DebugTarget) -> None:
    write(bare, HOST, W3, WHOLE, 16)
    assert list(bare.system.machine.cpus[0].state.array("fpr"))[6:8] == [LOW, HIGH]
    bare.system.machine.cpus[0].root[Status] |= Status.FR.mask
    assert read(bare, HOST, F3) == LOW
    write(bare, HOST, F3, 5, 8)
    assert read(bare, HOST, W3) == HIGH << 64 | 5


@pytest.mark.parametrize("big_endian", [False, True])
def test_lane_0_is_on_the_right(big_endian: bool) -> None:
    debugged = target("bare", "P5600", programs.image(big_endian=big_endian))
    debugged.write_register(HOST, W3, WHOLE.to_bytes(16, "big" if big_endian else "little"))
    assert list(debugged.system.machine.cpus[0].state.array("fpr"))[6:8] == [LOW, HIGH]


def test_control_registers(bare: DebugTarget) -> None:
    write(bare, HOST, MSACSR, 0xFFFF_FFFF, 4)
    assert read(bare, HOST, MSACSR) == bare.system.machine.cpus[0].state.msacsr == 0x0107_FFFF
    bare.system.machine.cpus[0].state.msair = 0x300
    assert read(bare, HOST, MSAIR) == 0x300
    with pytest.raises(TargetError, match="msair"):
        write(bare, HOST, MSAIR, 0, 4)


def test_a_rounding_mode_set_by_a_debugger_is_in_force_at_once(bare: DebugTarget) -> None:
    state = bare.system.machine.cpus[0].state
    assert not state.fp_guard & Guard.CAREFUL
    write(bare, HOST, FCSR, (read(bare, HOST, FCSR) or 0) | 1, 4)
    assert state.fp_guard & Guard.CAREFUL


@pytest.mark.parametrize(("mode", "shown"), [("vz", True), ("te", False)])
def test_a_guest_has_those_that_it_may_use(mode: str, shown: bool) -> None:
    debugged = target(mode, "P5600")  # type: ignore[arg-type]
    debugged.attach(2)
    features = {feature.get("name") for feature in ElementTree.fromstring(debugged.description(2)).iter("feature")}
    assert ("vmm.mips.msa" in features) == shown
    if not shown:
        with pytest.raises(TargetError, match="no register"):
            debugged.read_register(GUEST, W3)
        return
    write(debugged, GUEST, W3, WHOLE, 16)
    assert debugged.system.vcpus[0].fpu.vectors[3] == read(debugged, GUEST, W3) == WHOLE
    write(debugged, GUEST, MSACSR, 3, 4)
    assert debugged.system.vcpus[0].fpu.msacsr == read(debugged, GUEST, MSACSR) == 3


def test_a_core_without_msa_shows_none() -> None:
    assert "vmm.mips.msa" not in target("bare", "24Kf", programs.image()).description(1)
