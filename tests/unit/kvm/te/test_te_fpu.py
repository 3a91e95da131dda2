"""The host's FPU and MSA lent to a trap-and-emulate guest on the simulated machine.  Rows FX-2..FX-7, C0-7, C0-8."""
from __future__ import annotations

from contextlib import closing

import pytest

from vmm.arch.assembler import assemble
from vmm.arch.cp0.registers import Config5, Status
from vmm.arch.exceptions import ExcCode
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine.machine import Machine
from vmm.kvm.run import serve, thread
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vcpu import Vcpu
from vmm.kvm.vm import Vm

BASE = 0x4000_0000
GUEST = """
        .set noreorder
        .org 0x180                      # add up the exceptions' codes in $s6 and go on behind what trapped
        mfc0 $k0, $13
        srl $k0, $k0, 2
        andi $k0, $k0, 31
        sll $s6, $s6, 8
        or $s6, $s6, $k0
        mfc0 $k0, $14
        addiu $k0, $k0, 4
        mtc0 $k0, $14
        eret

        .org 0x10000
start:  li $s6, 0
        mtc0 $zero, $12
        lui $t0, 0x4000
        mtc0 $t0, $15, 1
        lui $t1, 0x2400                 # CU1, FR
        lui $t2, 0x0800                 # MSAEn
        mfc1 $t3, $f2                   # CpU: CU1 is clear
        mtc0 $t1, $12
        li $t3, 0x1234
        mtc1 $t3, $f2                   # lent
        copy_s.w $t4, $w2[0]            # MSADis: MSAEn is clear
        mtc0 $t2, $16, 5
        copy_s.w $s0, $w2[0]            # lent, with what the FPU left
        ldi.w $w2, 77
        mtc0 $zero, $16, 5
        copy_s.w $t4, $w2[0]            # MSADis again, although the context is live
        mfc1 $s1, $f2
        mtc0 $t2, $16, 5
        copy_s.w $s2, $w2[3]            # still live
        lui $t5, 0x0400                 # FR as it was: a change of it would drop the registers
        mtc0 $t5, $12
        mfc1 $t4, $f2                   # CpU again
        mtc0 $t1, $12
        mfc1 $s3, $f2
stay:   beq $zero, $zero, stay
        nop
"""


def started(model: str) -> tuple[Kernel, Vm, Vcpu]:
    kernel = Kernel(Machine(MODELS[model], 1, 32 << 20, False), page_shift=14)
    vm = Vm(kernel, TrapAndEmulate)
    vm.add_memory(0, 0, 1 << 20)
    program = assemble(GUEST, rows=available(ROWS, release=5, bits=32, ases=frozenset({"MSA"})), base=BASE,
                       big_endian=False)
    vm.write(0, program.code)
    vcpu = vm.create_vcpu()
    vm.enable_fpu(vcpu)
    vm.enable_msa(vcpu)
    vcpu.pc = program.labels["start"]
    return kernel, vm, vcpu


@pytest.mark.parametrize("model", ["P5600", "MIPS64R5-generic"])
def test_a_guest_has_the_units_while_its_own_bits_say_so(model: str) -> None:
    kernel, vm, vcpu = started(model)
    task = kernel.spawn("vcpu 0", thread(vm, vcpu, serve(lambda address, size: 0, lambda address, size, value: None)))
    with closing(task.body):
        kernel.scheduler.run(60_000)
        assert not task.done, task.result
        vm.kick_out(vcpu)
        kernel.scheduler.run(120_000, lambda: task.done)
    taken = [ExcCode.CpU, ExcCode.MSADis, ExcCode.MSADis, ExcCode.CpU]
    assert [vcpu.gpr[22] >> shift & 0xFF for shift in (24, 16, 8, 0)] == taken
    assert [vcpu.gpr[n] for n in (16, 17, 18, 19)] == [0x1234, 77, 77, 77]
    assert (vcpu.fpu.fpu_in_use, vcpu.fpu.msa_in_use) == (False, False)
    assert vcpu.fpu.vectors[2] == 77 * 0x1_0000_0001_0000_0001_0000_0001
    core = kernel.cpus[0]
    assert not core.root[Status] & Status.CU1.mask and not core.root[Config5] & Config5.MSAEn.mask
