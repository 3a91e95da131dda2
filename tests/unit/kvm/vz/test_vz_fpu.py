"""The host's FPU and MSA lent to VZ guests.  Rows FX-1..FX-6, FP-1, FP-2, EN-11, VZ-45, VZ-51, C0-24, MC-15."""
from __future__ import annotations

import pytest

from tests.unit.kvm.vz.test_vz_run import LEAVE_BOOT
from tests.unit.kvm.vz.vz_rig import END, START, Rig, assemble, make_rig
from vmm.arch.cp0.registers import Config3, Config5, Status
from vmm.arch.models import MODELS
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import Machine
from vmm.kvm.errors import KvmError
from vmm.kvm.exits import InternalError
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vm import Vm

MODELS_VZ = ("P5600", "MIPS64R5-generic", "I6500")
ONE, TWO, THREE = 0x3F80_0000, 0x4000_0000, 0x4040_0000
DEVICE = "lui $16, 0xb800"
FPU_ON, FPU_ON_FR = ("lui $9, 0x2000; mtc0 $9, $12; ehb", "lui $9, 0x2400; mtc0 $9, $12; ehb")
MSA_ON = "lui $9, 0x0800; mtc0 $9, $16, 5; ehb"
APART = 0x2000


def put(value: int, register: str) -> str:
    return f"lui $9, {value >> 16:#x}; mtc1 $9, {register}"


def with_fpu(rig: Rig, source: str, *, msa: bool = False, number: int = 0) -> Vcpu:
    vcpu = rig.add_vcpu(f"{LEAVE_BOOT}; {DEVICE}; {source}", at=START + APART * number)
    rig.vm.enable_fpu(vcpu)
    if msa:
        rig.vm.enable_msa(vcpu)
    return vcpu


def finish(rig: Rig, *vcpus: Vcpu) -> None:
    tasks = [rig.start(vcpu) for vcpu in vcpus]
    rig.kernel.scheduler.run(600_000, lambda: all(task.done for task in tasks))
    for task in tasks:
        assert task.done and not isinstance(task.result, InternalError), task.result


@pytest.mark.parametrize("model", MODELS_VZ)
def test_the_fpu_is_lent_at_its_first_use_after_every_exit_to_the_vmm(model: str) -> None:
    """Three uses between two device accesses take one trap; no use takes none."""
    rig = make_rig(model)
    use = "add.s $f4, $f4, $f2; add.s $f4, $f4, $f2; mfc1 $10, $f4; sw $10, 0($16)"
    vcpu = with_fpu(rig, f"sw $0, 0($16); {FPU_ON}; {put(ONE, '$f2')}; {put(0, '$f4')}; {use}; sw $0, 0($16); {use}; {END}")
    finish(rig, vcpu)
    assert rig.values() == [0, 0x4000_0000, 0, 0x4080_0000]
    assert vcpu.stats["cop_unusable"] == 2
    assert not vcpu.fpu.fpu_in_use
    assert vcpu.fpu.vectors[4] & 0xFFFF_FFFF == 0x4080_0000
    assert not rig.kernel.cpus[0].root[Status] & Status.CU1.mask


def rounds(number: int) -> str:
    """A third in this rounding mode, 3000 times; says what it was if it ever changes."""
    return (f"{FPU_ON_FR}; addiu $22, $0, {number}; ctc1 $22, $31; {put(ONE, '$f2')}; {put(THREE, '$f5')};"
            f"div.s $f6, $f2, $f5; mfc1 $18, $f6; lui $20, 0; loop{number}:; addiu $20, $20, 1; div.s $f8, $f2, $f5;"
            f"mfc1 $19, $f8; bne $19, $18, bad{number}; cfc1 $21, $31; andi $21, $21, 3; bne $21, $22, bad{number};"
            f"slti $21, $20, 3000; bne $21, $0, loop{number}; nop; sw $18, 0($16); {END};"
            f"bad{number}:; sw $0, 0($16); {END}")


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("model", MODELS_VZ)
def test_vcpus_that_share_a_cpu_keep_registers_and_rounding_mode(model: str, cpus: int) -> None:
    rig = make_rig(model, cpus=cpus, quantum=2000)
    vcpus = [with_fpu(rig, rounds(number), number=number) for number in range(3)]
    finish(rig, *vcpus)
    assert sorted(rig.values()) == [0x3EAA_AAAA, 0x3EAA_AAAB, 0x3EAA_AAAB]
    assert all(vcpu.stats["cop_unusable"] > 3 for vcpu in vcpus)


def test_a_change_of_fr_drops_what_was_in_the_registers() -> None:
    """FX-5, VZ-45: what comes back is what was last saved."""
    rig = make_rig()
    show = "mfc1 $10, $f2; sw $10, 0($16)"
    finish(rig, with_fpu(rig, f"{FPU_ON}; {put(ONE, '$f2')}; sw $0, 0($16); {put(TWO, '$f2')}; {FPU_ON_FR}; {show};"
                              f"{put(TWO, '$f2')}; {show}; {FPU_ON_FR}; {show}; {END}"))
    assert rig.values() == [0, ONE, TWO, TWO]


def test_the_guest_that_switches_its_fpu_off_takes_the_trap_itself() -> None:
    """FX-7: the context stays loaded."""
    rig = make_rig()
    rig.vm.write(0x180, assemble("mfc0 $10, $13; sw $10, 0($16); " + END, False, 0xFFFFFFFF_80000180))
    vcpu = with_fpu(rig, f"{FPU_ON}; {put(ONE, '$f2')}; mtc0 $0, $12; ehb; mfc1 $10, $f2")
    finish(rig, vcpu)
    assert [value & 0x3000_007C for value in rig.values()] == [1 << 28 | 11 << 2]
    assert vcpu.stats["cop_unusable"] == 1


def pending(number: int) -> str:
    """CTC1 of a Cause that is enabled, which traps; its handler dawdles, then shows FCSR."""
    return f"{FPU_ON}; addiu $23, $0, {number}; lui $9, 1; ori $9, $9, 0x800; addu $9, $9, $23; ctc1 $9, $31; nop"


@pytest.mark.parametrize("model", MODELS_VZ)
def test_an_exception_that_is_pending_in_fcsr_survives_preemption(model: str) -> None:
    """EN-11, FP-2: nothing traps in the host when such an FCSR is restored."""
    rig = make_rig(model, quantum=2000)
    handler = ("lui $20, 0; again:; addiu $20, $20, 1; cfc1 $10, $31; slti $21, $20, 3000; bne $21, $0, again; nop;"
               "mfc0 $11, $13; sw $10, 0($16); sw $11, 4($16); " + END)
    rig.vm.write(0x180, assemble(handler, False, 0xFFFFFFFF_80000180))
    vcpus = [with_fpu(rig, pending(number), number=number) for number in range(2)]
    finish(rig, *vcpus)
    fcsr = sorted(value & 0x3_FFFF for address, value in rig.stores if address == 0)
    assert fcsr == [0x1_0800, 0x1_0801]
    assert {value >> 2 & 31 for address, value in rig.stores if address == 4} == {15}
    assert all(vcpu.stats["cop_unusable"] > 3 for vcpu in vcpus)


# -- MSA ------------------------------------------------------------------------------------------------------------------

def vectors(number: int) -> str:
    """Keeps its mark in the upper half of w3, and in f3, 3000 times."""
    return (f"{FPU_ON_FR}; {MSA_ON}; ldi.w $w3, {100 + number}; copy_s.w $18, $w3[3]; lui $20, 0; loop{number}:;"
            f"addiu $20, $20, 1; copy_s.w $19, $w3[3]; bne $19, $18, bad{number}; mfc1 $19, $f3; bne $19, $18, bad{number};"
            f"slti $21, $20, 3000; bne $21, $0, loop{number}; nop; sw $18, 0($16); {END};"
            f"bad{number}:; sw $0, 0($16); {END}")


@pytest.mark.parametrize("model", MODELS_VZ)
def test_vcpus_that_share_a_cpu_keep_their_vectors(model: str) -> None:
    rig = make_rig(model, quantum=2000)
    vcpus = [with_fpu(rig, vectors(number), msa=True, number=number) for number in range(2)]
    finish(rig, *vcpus)
    assert sorted(rig.values()) == [100, 101]
    for vcpu in vcpus:
        assert vcpu.stats["msa_disabled"] > 3
        assert vcpu.fpu.vectors[3] == vcpu.gpr[18] * 0x1_0000_0001_0000_0001_0000_0001
        assert not (vcpu.fpu.msa_in_use or vcpu.fpu.fpu_in_use)
    assert not rig.kernel.cpus[0].root[Config5] & Config5.MSAEn.mask


def test_one_unit_finds_what_the_other_left() -> None:
    """FX-2, FX-3: neither reads the saved context again while the other is live; with MSA the FPU is lent, too."""
    rig = make_rig()
    vcpu = with_fpu(rig, f"{FPU_ON_FR}; {MSA_ON}; {put(ONE, '$f3')}; copy_s.w $10, $w3[0]; sw $10, 0($16);"
                         f"ldi.w $w3, 5; mfc1 $10, $f3; sw $10, 0($16); {END}", msa=True)
    finish(rig, vcpu)
    assert rig.values() == [ONE, 5]
    assert (vcpu.stats["cop_unusable"], vcpu.stats["msa_disabled"]) == (1, 2)


def test_msa_only_if_the_vmm_enabled_it() -> None:
    """C0-24: without the capability the guest has no MSAP, and MSA is reserved to it."""
    rig = make_rig()
    rig.vm.write(0x180, assemble("mfc0 $10, $13; sw $10, 0($16); " + END, False, 0xFFFFFFFF_80000180))
    source = f"mfc0 $10, $16, 3; srl $10, $10, 28; andi $10, $10, 1; sw $10, 0($16); {MSA_ON}; ldi.w $w3, 5; sw $0, 8($16)"
    vcpu = with_fpu(rig, source)
    assert not vcpu.cop0[Config3] & Config3.MSAP.mask
    finish(rig, vcpu)
    assert [rig.values()[0], rig.values()[1] >> 2 & 31] == [0, 10]
    assert vcpu.stats["msa_disabled"] == 0


@pytest.mark.parametrize(("model", "fpu"), [("24Kf", True), ("5KEf", True), ("P5600", True)])
def test_a_host_lends_only_what_it_has(model: str, fpu: bool) -> None:
    """MC-15."""
    kernel = Kernel(Machine(MODELS[model], 1, 8 << 20, False, "native"), page_shift=14)
    vm = Vm(kernel, TrapAndEmulate)
    vcpu = vm.create_vcpu()
    vm.enable_fpu(vcpu)
    if "MSA" in MODELS[model].ases:
        vm.enable_msa(vcpu)
        assert vcpu.msa_enabled and vcpu.cop0[Config3] & Config3.MSAP.mask
        return
    with pytest.raises(KvmError, match="no MSA"):
        vm.enable_msa(vcpu)
    assert not vcpu.msa_enabled
