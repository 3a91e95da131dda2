"""EVA, CRC32 and extended physical addresses, on both engines."""
from __future__ import annotations

import zlib
from random import Random

import pytest

from tests.support.engines import ENGINES, Rig, encode, fresh
from vmm.arch.cp0.registers import EPC, BadVAddr, Cause, EBase, EntryHi, PageGrain, Status, sign_extended
from vmm.arch.exceptions import ExcCode
from vmm.engine.cpu import TlbEntry

KSEG0, KSEG1 = sign_extended(0x8000_0000), sign_extended(0xA000_0000)
CODE, USER_PAGE, VALID = 0x4000, 0x40_0000, 7
ON_BOTH = pytest.mark.parametrize("engine", ENGINES)
ORDERS = pytest.mark.parametrize("big_endian", [False, True], ids=["le", "be"])
CASTAGNOLI = 0x82F6_3B78


def ready(engine: str, name: str, *lines: str, big_endian: bool = False) -> Rig:
    rig = fresh(engine, name, big_endian)
    rig.cpu.root[Status], rig.cpu.root[EBase] = 0, KSEG0 + 0x1000
    rig.code(CODE, *lines)
    rig.cpu.pc = KSEG0 + CODE
    rig.cpu.refresh()
    return rig


def exception(rig: Rig) -> ExcCode:
    assert rig.cpu.root[Status] & Status.EXL.mask
    return ExcCode(Cause.ExcCode.of(rig.cpu.root[Cause]))


# -- EVA --------------------------------------------------------------------------------------------------------------

@ON_BOTH
@ORDERS
@pytest.mark.parametrize(("line", "plain"), [(f"{op}e $9, {at}($8)", f"{op} $9, {at}($8)") for op, at in (
    ("lb", 1), ("lbu", 1), ("lh", 2), ("lhu", 2), ("lw", 4), ("ll", 4), ("lwl", 5), ("lwr", 6), ("sb", 3), ("sh", 2),
    ("sw", 4), ("swl", 5), ("swr", 6))])
def test_the_kernel_sees_the_users_page_as_the_user_does(engine: str, big_endian: bool, line: str, plain: str) -> None:
    results = []
    for text, base in ((line, USER_PAGE), (plain, KSEG0 + 0x8000)):
        rig = ready(engine, "P5600", text, big_endian=big_endian)
        rig.cpu.tlb[0] = TlbEntry(USER_PAGE, 0, 0x8000 >> 6 | VALID, 0)
        rig.put(0x8000, 8, 0x8192_A3B4_C5D6_E7F8)
        rig.cpu.gpr[8], rig.cpu.gpr[9] = base, 0x1122_3344
        rig.run_to(1)
        assert not rig.cpu.root[Status] & Status.EXL.mask
        results.append((rig.cpu.gpr[9], rig.get(0x8000, 8)))
    assert results[0] == results[1]


@ON_BOTH
def test_a_linked_pair_by_the_users_mapping(engine: str) -> None:
    rig = ready(engine, "P5600", "lle $9, 4($8)", "sce $10, 4($8)", "sce $11, 4($8)")
    rig.cpu.tlb[0] = TlbEntry(USER_PAGE, 0, 0x8000 >> 6 | VALID, 0)
    rig.cpu.gpr[8], rig.cpu.gpr[10], rig.cpu.gpr[11] = USER_PAGE, 77, 88
    rig.run_to(3)
    assert (rig.cpu.gpr[10], rig.cpu.gpr[11], rig.get(0x8004, 4)) == (1, 0, 77)


@ON_BOTH
@pytest.mark.parametrize("line", ["lwe $9, 0($8)", "swe $9, 0($8)", "cachee 0x15, 0($8)"])
def test_the_kernels_own_addresses_are_an_error(engine: str, line: str) -> None:
    rig = ready(engine, "P5600", line)
    rig.cpu.gpr[8] = KSEG0 + 0x8000
    rig.run_to(1)
    assert exception(rig) == (ExcCode.AdES if line[0] == "s" else ExcCode.AdEL)
    assert (rig.cpu.root[BadVAddr], rig.cpu.root[EPC]) == (KSEG0 + 0x8000, KSEG0 + CODE)
    assert rig.cpu.state.as_user == 0


@ON_BOTH
def test_the_kernel_goes_on_as_kernel(engine: str) -> None:
    """After a fault, a device and a success, ordinary accesses are the kernel's again."""
    rig = ready(engine, "P5600", "lwe $9, 0($8)", "lw $10, 0($1)", "lwe $11, 0($7)", "lw $12, 0($8)")
    rig.cpu.tlb[0] = TlbEntry(USER_PAGE, 0, 0x8000 >> 6 | VALID, 0x1800_0000 >> 6 | VALID)
    rig.put(0x8000, 4, 5)
    rig.cpu.gpr[1], rig.cpu.gpr[8], rig.cpu.gpr[7] = KSEG0 + 0x8000, USER_PAGE, USER_PAGE + 0x1000
    rig.run_to(4)
    assert [rig.cpu.gpr[n] for n in (9, 10, 12)] == [5, 5, 5]
    assert [event[2] for event in rig.events] == [0x1800_0000]


@ON_BOTH
def test_users_and_cores_without_eva_have_no_such_instructions(engine: str) -> None:
    rig = ready(engine, "P5600", "lwe $9, 0($8)")
    rig.cpu.tlb[0] = TlbEntry(0, 0, CODE >> 6 | VALID, CODE >> 6 | VALID)
    rig.cpu.root[Status], rig.cpu.pc = 2 << Status.KSU.low, 0
    rig.cpu.refresh()
    rig.run_to(1)
    assert exception(rig) == ExcCode.CpU
    rig = ready(engine, "24Kf")
    rig.put(CODE, 4, encode("P5600", "lwe $9, 0($8)"))
    rig.run_to(1)
    assert exception(rig) == ExcCode.RI


# -- CRC32 ------------------------------------------------------------------------------------------------------------

def crc32c(value: int, data: bytes) -> int:
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (CASTAGNOLI if value & 1 else 0)
    return value


@ON_BOTH
@pytest.mark.parametrize(("unit", "size"), [("b", 1), ("h", 2), ("w", 4), ("d", 8)])
def test_crc32_is_what_zlib_says(engine: str, unit: str, size: int) -> None:
    r = Random(size)
    for _ in range(20):
        message, start = r.getrandbits(64), r.getrandbits(32)
        rig = ready(engine, "I6500", f"crc32{unit} $9, $8, $9", f"crc32c{unit} $10, $8, $10")
        rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.gpr[10] = message, sign_extended(start), sign_extended(start)
        rig.run_to(2)
        data = message.to_bytes(8, "little")[:size]
        assert rig.cpu.gpr[9] == sign_extended(~zlib.crc32(data, ~start & 0xFFFF_FFFF) & 0xFFFF_FFFF)
        assert rig.cpu.gpr[10] == sign_extended(crc32c(start, data))


def test_crc32c_has_its_check_value() -> None:
    assert ~crc32c(0xFFFF_FFFF, b"123456789") & 0xFFFF_FFFF == 0xE306_9283


# -- extended physical addresses --------------------------------------------------------------------------------------

@ON_BOTH
@pytest.mark.parametrize("elpa", [False, True])
def test_a_frame_beyond_36_bits_takes_mthc0_and_elpa(engine: str, elpa: bool) -> None:
    rig = ready(engine, "P5600", "mtc0 $9, $2, 0", "mthc0 $10, $2, 0", "mfc0 $11, $2, 0", "mfhc0 $12, $2, 0",
                "mtc0 $9, $3, 0", "tlbwi", "lw $3, 0($8)")
    rig.cpu.root[PageGrain] = PageGrain.ELPA.mask * elpa
    rig.cpu.gpr[8], rig.cpu.gpr[9], rig.cpu.gpr[10] = USER_PAGE, 0x1800_0000 >> 6 | VALID, 0xFF
    rig.cpu.root[EntryHi] = USER_PAGE
    rig.cpu.refresh()
    rig.run_to(7)
    assert (rig.cpu.gpr[11], rig.cpu.gpr[12]) == (0x1800_0000 >> 6 | VALID, 0xF * elpa), "40 bits of address"
    assert rig.events[0][2] == 0x1800_0000 + (0xF << 36) * elpa
