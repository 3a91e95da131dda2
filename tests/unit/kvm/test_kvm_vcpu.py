"""The vCPU's state in simulated RAM, and the lists of causes and counters.  Rows KH-5, CP-2, IN-1, 11.1, section 16."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.registers import EPC, EntryLo0, Status
from vmm.arch.models import MODELS
from vmm.host.machine import Machine
from vmm.kvm.causes import BY_CODE, CAUSES, STATS, counter_of_guest_exit
from vmm.kvm.vcpu import Priority, Vcpu, sign_extend

MODEL_OF_WORD = {4: "24Kf", 8: "5KEf"}


def make(word: int, big_endian: bool = False) -> Vcpu:
    machine = Machine(MODELS[MODEL_OF_WORD[word]], 1, 1 << 20, big_endian, engine="reference")
    return Vcpu(0, machine.ram, 0x1000, 0x4000, word=word, big_endian=big_endian)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("word", [4, 8])
def test_registers_are_sign_extended_numbers_in_ram(word: int, big_endian: bool) -> None:
    vcpu = make(word, big_endian)
    vcpu.gpr[5] = 0xFFFFFFFF_80000001
    vcpu.gpr[0] = 7
    vcpu.pc = 0xFFFFFFFF_BFC00000
    assert (vcpu.gpr[5], vcpu.gpr[0], vcpu.pc) == (0xFFFFFFFF_80000001, 0, 0xFFFFFFFF_BFC00000)
    assert vcpu.ram.load(0x1000 + 5 * word, word) == 0xFFFFFFFF_80000001 & (1 << 8 * word) - 1


def test_the_cop0_file_is_the_commpage() -> None:
    """CP-2: [rd][sel] of longs; 32-bit registers unsigned, 64-bit ones of the host's width."""
    narrow, wide = make(4), make(8)
    narrow.cop0[Status] = 0x80400004
    assert narrow.cop0[Status] == 0x80400004
    assert narrow.ram.load(0x4000 + 12 * 8 * 4, 4) == 0x80400004
    wide.cop0[Status] = 0x80400004
    assert wide.cop0.at(12, 0) == 0xFFFFFFFF_80400004
    wide.cop0[EPC] = 0x98000000_00001234
    assert wide.cop0[EPC] == 0x98000000_00001234
    narrow.cop0[EntryLo0] = 0xC0000001
    assert narrow.cop0[EntryLo0] == 0xC0000001
    with pytest.raises(IndexError, match="block of 256"):
        wide.cop0.at(32, 0)


def test_queueing_and_dequeueing_exclude_each_other() -> None:
    """IN-1, VZ-60."""
    vcpu = make(4)
    vcpu.queue(Priority.INT_IO)
    assert vcpu.runnable
    assert vcpu.is_pending(Priority.INT_IO)
    vcpu.dequeue(Priority.INT_IO)
    assert not vcpu.runnable
    assert vcpu.pending_exceptions_clr == 1 << Priority.INT_IO
    vcpu.queue(Priority.INT_IO)
    assert vcpu.pending_exceptions_clr == 0


@pytest.mark.parametrize(("value", "bits", "want"), [
    (0x80, 8, 0xFFFFFFFF_FFFFFF80), (0x7F, 8, 0x7F), (0x1FFFFFFFF, 32, 0xFFFFFFFF_FFFFFFFF), (1 << 63, 64, 1 << 63),
])  # fmt: skip
def test_sign_extension(value: int, bits: int, want: int) -> None:
    assert sign_extend(value, bits) == want


def test_every_cause_has_a_counter_of_the_list_and_codes_are_unique() -> None:
    assert len(BY_CODE) == len(CAUSES)
    assert {cause.counter for cause in CAUSES} - {""} <= set(STATS)
    assert len(set(STATS)) == len(STATS) == 30


def test_guest_exits_without_a_counter_share_one() -> None:
    """VZ-47."""
    assert counter_of_guest_exit(2) == "vz_hc"
    assert counter_of_guest_exit(5) == "vz_resvd"
