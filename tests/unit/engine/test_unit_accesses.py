"""LWL and its kind: they read and write in an aligned unit, and a fault shows the address itself.  (MD00087, LWL)"""
from __future__ import annotations

import pytest

from tests.support.engines import ENGINES, encode, fresh
from vmm.arch.cp0.registers import BadVAddr, Cause, EBase, Status, sign_extended
from vmm.arch.exceptions import ExcCode

CODE = sign_extended(0x8000_4000)
LOADS, STORES = ("lwl", "lwr", "ldl", "ldr"), ("swl", "swr", "sdl", "sdr")
EVA_LOADS, EVA_STORES = ("lwle", "lwre"), ("swle", "swre")


@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("model", "names", "code"), [
    ("5KEf", LOADS, ExcCode.TLBL), ("5KEf", STORES, ExcCode.TLBS),
    ("P5600", EVA_LOADS, ExcCode.TLBL), ("P5600", EVA_STORES, ExcCode.TLBS),
])
def test_bad_address_is_not_aligned(model: str, names: tuple[str, ...], code: int, engine: str, big_endian: bool) -> None:
    for name in names:
        for offset in range(8):
            rig = fresh(engine, model, big_endian)
            rig.cpu.root[Status], rig.cpu.root[EBase] = 0, sign_extended(0x8000_1000)
            rig.code(0x4000, encode(model, f"{name} $9, 0($8)"))
            rig.cpu.gpr[8], rig.cpu.pc = 0x12340 + offset, CODE
            rig.cpu.refresh()
            rig.run_to(1)
            assert (Cause.ExcCode.of(rig.cpu.root[Cause]), rig.cpu.root[BadVAddr]) == (code, 0x12340 + offset), name


@pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "first", "last"), [(4, "swl", "swr"), (8, "sdl", "sdr")])
def test_a_pair_stores_what_is_not_aligned_and_nothing_else(size: int, first: str, last: str, engine: str,
                                                            big_endian: bool) -> None:
    value = 0x8123_4567_89AB_CDEF
    data = (value & (1 << 8 * size) - 1).to_bytes(size, "big" if big_endian else "little")
    high, low = (0, size - 1) if big_endian else (size - 1, 0)
    for offset in range(16):
        rig = fresh(engine, "5KEf", big_endian)
        rig.cpu.root[Status] = 0
        rig.code(0x4000, encode("5KEf", f"{first} $9, {high}($8)"), encode("5KEf", f"{last} $9, {low}($8)"))
        rig.fill(0x8000, [0x5A5A_5A5A] * 8)
        rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.pc = sign_extended(0x8000_8000) + offset, value, CODE
        rig.cpu.refresh()
        rig.run_to(1100)
        found = bytes(rig.memory.block.bytes[0x8000:0x8020])
        assert found == b"\x5a" * offset + data + b"\x5a" * (32 - offset - size)
