"""A small guest kernel and its user program under trap-and-emulate on the simulated machine: every layer at once.

It says "Hi" through an unmapped and a mapped page, reads a device, makes a system call, sleeps through three timer
interrupts, and starts a user program that asks for what it may not have.  Each exception that is no interrupt says "E".
"""
from __future__ import annotations

from contextlib import closing

import pytest

from vmm.arch.assembler import assemble
from vmm.arch.insns import ROWS
from vmm.arch.models import MODELS
from vmm.arch.rows import available
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine.machine import Machine
from vmm.kvm.run import serve, thread
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vm import Vm

BASE = 0x4000_0000
UART, LINE_STATUS = 0x1800_03F8, 0x1800_03FD

GUEST = """
        .set noreorder
        .org 0                          # TLB refill: every pair of 16 KiB pages leads to 0x80000
        li $k0, 0x2007
        mtc0 $k0, $2
        addiu $k0, $k0, 0x100
        mtc0 $k0, $3
        li $k0, 0x6000
        mtc0 $k0, $5
        tlbwr
        eret

        .org 0x180
        mfc0 $k0, $13
        andi $k1, $k0, 0x7c
        bne $k1, $zero, exception
        nop
        mfc0 $k0, $11                   # the timer: again in 5000 ticks
        addiu $k0, $k0, 5000
        mtc0 $k0, $11
        addiu $s7, $s7, 1
        eret
exception:
        addiu $s6, $s6, 1
        li $k0, 'E'
        lui $k1, 0xb800
        sb $k0, 0x3f8($k1)
        mfc0 $k0, $14
        addiu $k0, $k0, 4
        mtc0 $k0, $14
        eret

        .org 0x10000
start:  li $s7, 0
        li $s6, 0
        mtc0 $zero, $12
        lui $t0, 0x4000
        mtc0 $t0, $15, 1
        lui $s0, 0xb800
        lui $s1, 0x4002
        li $t0, 'H'
        sw $t0, 0($s1)
        lw $t1, 0($s1)
        sb $t1, 0x3f8($s0)
        lui $s2, 0x0041
        li $t0, 'i'
        sw $t0, 16($s2)
        lw $t1, 16($s2)
        beq $zero, $zero, after
        sb $t1, 0x3f8($s0)              # a device access in a delay slot
        nop
after:  lb $t1, 0x3fd($s0)
        sb $t1, 0x3f8($s0)
        syscall
        mtc0 $zero, $9
        li $t0, 5000
        mtc0 $t0, $11
        ori $t0, $zero, 0x8001
        mtc0 $t0, $12
sleep:  wait
        li $t0, 3
        bne $s7, $t0, sleep
        nop
        li $t0, 'T'
        sb $t0, 0x3f8($s0)
        la $t1, user
        la $t2, end
        lui $t3, 0x0050
copy:   lw $t4, 0($t1)
        sw $t4, 0($t3)
        addiu $t1, $t1, 4
        bne $t1, $t2, copy
        addiu $t3, $t3, 4
        lui $t0, 0x0050
        mtc0 $t0, $14
        li $t0, 0x12
        mtc0 $t0, $12
        eret

user:   li $t0, 5
        syscall
        mfc0 $t1, $12                   # not for users
        rdhwr $v1, $29                  # not enabled
stay:   beq $zero, $zero, stay
        nop
end:    nop
"""

EXITS = {"tlbmiss_ld": 3, "tlbmiss_st": 5, "addrerr_ld": 1, "addrerr_st": 8, "syscall": 2, "resvd_inst": 1, "wait": 3}
"""Fixed by the program alone, whatever the host.  Loads: the kernel's own code, its vector's page, the user's code."""


@pytest.mark.parametrize(("model", "page_shift", "big_endian"), [
    ("24Kf", 14, False), ("24Kf", 12, True), ("P5600", 14, True), ("MIPS64R5-generic", 12, False),
    ("MIPS64R5-generic", 14, True),
])
def test_a_guest_kernel_and_its_user(model: str, page_shift: int, big_endian: bool) -> None:
    machine = Machine(MODELS[model], 1, 32 << 20, big_endian)
    kernel = Kernel(machine, page_shift=page_shift)
    vm = Vm(kernel, TrapAndEmulate)
    vm.add_memory(0, 0, 1 << 20)
    program = assemble(GUEST, rows=available(ROWS, release=2, bits=32, ases=frozenset()), base=BASE,
                       big_endian=big_endian)
    vm.write(0, program.code)
    vcpu = vm.create_vcpu()
    vcpu.pc = program.labels["start"]
    said: list[int] = []
    answer = serve(lambda address, size: ord("<") if address == LINE_STATUS else 0,
                   lambda address, size, value: said.append(value) if address == UART else None)
    task = kernel.spawn("vcpu 0", thread(vm, vcpu, answer))
    with closing(task.body):                # the thread leaves the guest while there still is a machine
        kernel.scheduler.run(60_000)
        assert not task.done, task.result
    assert bytes(said).decode() == "Hi<ETEEE"
    assert (vcpu.gpr[22], vcpu.gpr[23]) == (4, 3)
    assert {name: vcpu.stats[name] for name in EXITS} == EXITS
