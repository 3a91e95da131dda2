"""Guests under VZ, one vCPU.  Rows EN-4..EN-15, EM-1, HC-3, MI-2..MI-4, VZ-40..VZ-50, VZ-60..VZ-66, C0-15, MC-10."""
from __future__ import annotations

from itertools import product

import pytest

from tests.unit.kvm.vz.vz_rig import END, LIMIT, START, Rig, make_rig
from vmm.arch.cp0.registers import GuestCtl0, Wired
from vmm.host.kernel.tasks import Task
from vmm.kvm.errors import KvmError
from vmm.kvm.exits import Exit, Hypercall, InternalError, Intr, MmioStore
from vmm.kvm.run import thread
from vmm.kvm.slots import Slot
from vmm.kvm.vcpu import Mode, Vcpu

HOSTS = list(product(("P5600", "MIPS64R5-generic"), (False, True), (12, 14)))
HOSTS_6 = [*HOSTS, ("I6500", True, 14)]
"""With one of release 6."""
VECTOR = 0x180
LEAVE_BOOT = "mtc0 $0, $12; lui $8, 0x8000; mtc0 $8, $15, 1; ehb"
"""Status := 0 and EBase := 0x80000000, as a kernel does first."""


def pattern(number: int) -> int:
    return 0x01010101 * number


def load_all() -> str:
    """Every register but 0 and 30 gets its own value; HI and LO too."""
    lines = ["lui $1, 0x1234; mthi $1; lui $1, 0x5678; mtlo $1; lui $30, 0xb800"]
    for n in range(1, 32):
        if n != 30:
            lines.append(f"lui ${n}, {pattern(n) >> 16}; ori ${n}, ${n}, {pattern(n) & 0xFFFF}")
    return ";".join(lines)


@pytest.mark.parametrize(("model", "big_endian", "page_shift"), HOSTS)
def test_the_world_switch_keeps_every_register(model: str, big_endian: bool, page_shift: int) -> None:
    """EN-8, EN-11: out at a hypercall, in again; then the guest shows what it has."""
    rig = make_rig(model, big_endian=big_endian, page_shift=page_shift)
    rig.vms.clear()
    vm = rig.add_vm(own_hypercalls=True)
    stores = ";".join(f"sw ${n}, {4 * n}($30)" for n in range(32) if n != 30)
    vcpu = rig.add_vcpu(f"{load_all()}; hypcall 0; {stores}; mfhi $1; sw $1, 128($30); mflo $1; sw $1, 132($30); {END}")
    seen: list[int] = []

    def answer(vcpu: Vcpu, reason: Exit) -> bool:
        if isinstance(reason, Hypercall):
            seen.extend(vcpu.gpr[n] for n in range(32))
            return True
        return rig.answer(vcpu, reason)

    task = rig.kernel.spawn("vcpu", thread(vm, vcpu, answer))
    rig.kernel.scheduler.complete(task, LIMIT)
    expected = [pattern(n) for n in range(32) if n != 30]
    assert [value for n, value in enumerate(seen) if n != 30] == expected
    assert rig.values() == [*expected, 0x12340000, 0x56780000]


def test_the_host_gets_its_own_registers_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """EN-4, EN-14: callee-saved registers, stack, GM off."""
    rig = make_rig()
    cpu, switch = rig.kernel.cpus[0], rig.kernel.switch
    enter = switch.enter

    def entered(number: int, task: Task) -> None:
        enter(number, task)
        for register in (*range(16, 24), 30):
            cpu.gpr[register] = 0x1000 + register

    monkeypatch.setattr(switch, "enter", entered)
    assert rig.run(f"{load_all()}; {END}") == MmioStore(0x18000FF0, 4, 0)
    assert [cpu.gpr[number] for number in (*range(16, 24), 30)] == [0x1000 + n for n in (*range(16, 24), 30)]
    assert not cpu.root[GuestCtl0] & GuestCtl0.GM.mask
    assert not cpu.in_guest


def test_device_loads_extend_as_the_instruction_says() -> None:
    """MI-3, MI-4."""
    rig = make_rig()
    rig.loads = {0x18000000 + 4 * n: 0xFEDC8081 for n in range(5)}
    moves = ("lb", "lbu", "lh", "lhu", "lw")
    rig.run("lui $8, 0xb800;" + ";".join(f"{move} $9, {4 * n}($8); sw $9, 0($8)" for n, move in enumerate(moves))
            + ";" + END)
    assert rig.values() == [0xFFFFFF81, 0x81, 0xFFFF8081, 0x8081, 0xFEDC8081]


def test_doubleword_device_accesses_on_a_64_bit_guest() -> None:
    rig = make_rig("MIPS64R5-generic")
    rig.loads = {0x18000000: 0x80000001_80000002, 0x18000008: 0x80000003}
    rig.run("lui $8, 0xb800; mfc0 $2, $12; ori $2, $2, 0x80; mtc0 $2, $12; ld $9, 0($8); sd $9, 0($8); "
            f"lwu $9, 8($8); sd $9, 8($8); {END}")
    assert rig.values() == [0x80000001_80000002, 0x80000003]


@pytest.mark.parametrize(("branch", "want"), [
    ("b next", [1, 3]), ("beq $9, $0, next", [1, 2, 3]), ("jal next", [1, 3]), ("bne $9, $0, next", [1, 3]),
])  # fmt: skip
def test_a_device_access_in_a_delay_slot_goes_on_where_the_branch_goes(branch: str, want: list[int]) -> None:
    """EM-1, hard detail 8."""
    rig = make_rig()
    rig.loads = {0x18000100: 3}
    rig.run("lui $8, 0xb800; addiu $9, $0, 1; addiu $10, $0, 2;"
            f"{branch}; sw $9, 0($8); sw $10, 0($8); next:; b done; lw $11, 0x100($8); done:; sw $11, 0($8); {END}")
    assert rig.values() == want


def test_reads_that_exit_give_what_kvm_keeps() -> None:
    """VZ-41: PRId is the host's."""
    rig = make_rig()
    rig.run(f"lui $8, 0xb800; mfc0 $9, $15; sw $9, 0($8); mfc0 $9, $26; sw $9, 4($8); {END}")
    assert rig.values() == [0x0001A800, 0]


def test_an_unknown_hypercall_is_refused_and_a_foreign_code_ends_the_vm() -> None:
    """HC-1, HC-3."""
    rig = make_rig()
    rig.run(f"lui $8, 0xb800; addiu $2, $0, 99; hypcall 0; sw $2, 0($8); {END}")
    assert rig.values() == [-1000 & 0xFFFFFFFF]
    reason = make_rig().run("hypcall 1")
    assert isinstance(reason, InternalError)
    assert "hypercall code 0x1" in reason.reason


@pytest.mark.parametrize(("source", "text"), [
    ("mfc0 $8, $23", "read of CP0 register 23.0"),
    ("lui $8, 0x9000; jr $8; nop", "instruction fetch from guest-physical 0x10000000"),
    ("lui $8, 0xb800; lwl $9, 0($8)", "only plain integer loads and stores"),
])  # fmt: skip
def test_what_cannot_be_emulated_is_an_internal_error_that_says_what(source: str, text: str) -> None:
    reason = make_rig().run(source)
    assert isinstance(reason, InternalError)
    assert text in reason.reason


@pytest.mark.parametrize(("model", "big_endian", "page_shift"), HOSTS_6)
def test_wait_ends_by_the_guests_own_timer(model: str, big_endian: bool, page_shift: int) -> None:
    """VZ-43, VZ-64..66: hardware timer, lost at WAIT, taken again; Cause.TI is there and Count has reached Compare."""
    rig = make_rig(model, big_endian=big_endian, page_shift=page_shift)
    rig.run(f"{LEAVE_BOOT}; ori $9, $0, 0x8000; mtc0 $9, $12; lui $16, 0xb800; mfc0 $9, $9; addiu $9, $9, 2000;"
            f"mtc0 $9, $11; wait; mfc0 $10, $13; mfc0 $11, $9; subu $11, $11, $9; slti $11, $11, 400;"
            f"srl $10, $10, 30; sw $10, 0($16); sw $11, 4($16); {END}")
    assert rig.values() == [1, 1]
    assert rig.kernel.cpus[0].ticks >= 4000
    assert rig.vm.vcpus[0].stats["wait"] == 1


def test_the_timer_interrupt_reaches_a_running_guest() -> None:
    """VZ-64: with the hardware timer lent, nothing exits for it."""
    rig = make_rig()
    rig.vm.write(VECTOR, _handler("mfc0 $26, $11; mtc0 $26, $11; addiu $20, $20, 1"))
    rig.run(f"{LEAVE_BOOT}; mfc0 $9, $9; addiu $9, $9, 500; mtc0 $9, $11; ori $9, $0, 0x8001; mtc0 $9, $12;"
            f"spin:; beq $20, $0, spin; nop; lui $16, 0xb800; sw $20, 0($16); {END}")
    assert rig.values() == [1]
    assert rig.vm.vcpus[0].stats["interrupt"] == 0


def test_count_stands_still_while_cause_dc_is_set() -> None:
    """VZ-45, TM-15."""
    rig = make_rig()
    rig.run(f"{LEAVE_BOOT}; lui $16, 0xb800; lui $9, 0x0800; mtc0 $9, $13; mfc0 $10, $9; nop; nop; mfc0 $11, $9;"
            f"subu $10, $11, $10; sw $10, 0($16); mtc0 $0, $13; mfc0 $10, $9; nop; nop; nop; nop; mfc0 $11, $9;"
            f"sltu $10, $10, $11; sw $10, 4($16); {END}")
    assert rig.values() == [0, 1]


def test_a_guests_write_of_count_moves_it() -> None:
    """VZ-42, TM-10."""
    rig = make_rig()
    rig.run(f"lui $16, 0xb800; lui $9, 0x4000; mtc0 $9, $9; mfc0 $10, $9; srl $10, $10, 16; sw $10, 0($16); {END}")
    assert rig.values() == [0x4000]


def _handler(work: str) -> bytes:
    from tests.unit.kvm.vz.vz_rig import assemble
    return assemble(f"{work}; eret", False, 0xFFFFFFFF_80000180)


def _waits_for_io() -> str:
    return (f"{LEAVE_BOOT}; ori $9, $0, 0x0401; mtc0 $9, $12; lui $16, 0xb800; again:; wait; beq $20, $0, again; nop;"
            f"sw $20, 0($16); {END}")


def test_an_interrupt_from_outside_ends_wait_and_is_a_level() -> None:
    """VZ-60..62, MC-11: raised while the guest sleeps; the handler's device access takes it back."""
    rig = make_rig()
    rig.vm.write(VECTOR, _handler("addiu $20, $20, 1; sw $0, 0x40($16)"))
    vcpu = rig.add_vcpu(_waits_for_io())

    def answer(vcpu: Vcpu, reason: Exit) -> bool:
        if isinstance(reason, MmioStore) and reason.address == 0x18000040:
            rig.vm.interrupt(-2)
        return rig.answer(vcpu, reason)

    task = rig.kernel.spawn("vcpu", thread(rig.vm, vcpu, answer))
    rig.kernel.scheduler.run(LIMIT)
    assert task.sleeping
    assert not task.done
    rig.vm.interrupt(2)
    rig.kernel.scheduler.complete(task, 2 * LIMIT)
    assert rig.values() == [0, 1]


def test_an_interrupt_reaches_a_guest_that_runs_without_exits() -> None:
    """CR-2's better half: the CPU is kicked."""
    rig = make_rig()
    rig.vm.write(VECTOR, _handler("addiu $20, $20, 1; mtc0 $0, $12"))
    vcpu = rig.add_vcpu(f"{LEAVE_BOOT}; ori $9, $0, 0x0401; mtc0 $9, $12; lui $16, 0xb800;"
                        f"spin:; beq $20, $0, spin; nop; sw $20, 0($16); {END}")
    task = rig.start(vcpu)
    rig.kernel.scheduler.run(20_000)
    assert vcpu.mode is Mode.IN_GUEST
    rig.vm.interrupt(2)
    rig.kernel.scheduler.complete(task, LIMIT)
    assert rig.values() == [1]


@pytest.mark.parametrize(("irq", "vcpu"), [(0, 0), (5, 0), (-7, 0), (2, 1), (2, -1)])
def test_interrupts_that_do_not_exist_are_refused(irq: int, vcpu: int) -> None:
    """MC-11, L-11."""
    rig = make_rig()
    rig.add_vcpu("nop")
    with pytest.raises(KvmError, match="EINVAL"):
        rig.vm.interrupt(irq, vcpu)


def test_a_signal_gets_a_spinning_guest_out() -> None:
    """MC-19, HX-4."""
    rig = make_rig()
    vcpu = rig.add_vcpu("spin:; b spin; addiu $9, $9, 1")
    task = rig.start(vcpu)
    rig.kernel.scheduler.run(20_000)
    rig.vm.kick_out(vcpu)
    assert rig.kernel.scheduler.complete(task, LIMIT) == Intr()
    assert vcpu.stats["signal"] == 1
    assert vcpu.gpr[9] > 1000


GUEST_TLB = (f"{LEAVE_BOOT}; lui $16, 0xb800; ori $9, $0, 1; mtc0 $9, $6; mtc0 $0, $0; mtc0 $0, $5; lui $9, 0x0040;"
             "mtc0 $9, $10; addiu $9, $0, {lo}; mtc0 $9, $2; mtc0 $9, $3; ehb; tlbwi; ehb; lui $17, 0x0040;"
             "addiu $18, $0, {mark}; sw $18, 0($17);")
"""One wired entry, VA 0x400000 to a page of its own, and a mark written through it."""


@pytest.mark.parametrize(("model", "big_endian", "page_shift"), HOSTS_6)
def test_a_guest_maps_its_own_pages(model: str, big_endian: bool, page_shift: int) -> None:
    """Both stages: GVA 0x400000 -> GPA 0x20000 -> host."""
    rig = make_rig(model, big_endian=big_endian, page_shift=page_shift)
    rig.run(GUEST_TLB.format(lo=0x20 << 6 | 0x1F, mark=77)
            + f"lui $19, 0x8002; lw $19, 0($19); sw $19, 0($16); {END}")
    assert rig.values() == [77]
    assert rig.vm.read(0x20000, 4) == (77).to_bytes(4, "big" if big_endian else "little")
    assert rig.vm.vcpus[0].cop0[Wired] == 1


def test_deleting_a_slot_takes_its_pages_from_the_guest_at_once() -> None:
    """GK-5, MC-6, VZ-34: a load that was memory becomes a device access."""
    rig = make_rig()
    vm = rig.vm
    vm.add_memory(1, 0x400000, 0x10000)
    vm.write(0x400000, (5).to_bytes(4, "little"))
    vcpu = rig.add_vcpu(f"lui $8, 0x8040; lui $16, 0xb800; lw $9, 0($8); sw $9, 0($16); lw $9, 0($8); sw $9, 4($16); {END}")
    rig.loads = {0x400000: 9}

    def answer(vcpu: Vcpu, reason: Exit) -> bool:
        if isinstance(reason, MmioStore) and reason.address == 0x18000000:
            vm.set_slot(Slot(1, 0, 0, 0))
        return rig.answer(vcpu, reason)

    task = rig.kernel.spawn("vcpu", thread(vm, vcpu, answer))
    rig.kernel.scheduler.complete(task, LIMIT)
    assert rig.values() == [5, 9]
    assert vm.stats["remote_tlb_flush"] == 1


def test_both_engines_take_the_same_path() -> None:
    source = GUEST_TLB.format(lo=0x20 << 6 | 0x1F, mark=3) + f"mfc0 $9, $9; sw $9, 0($16); {END}"
    runs: list[tuple[list[int], int]] = []
    for engine in ("native", "reference"):
        rig: Rig = make_rig("MIPS64R5-generic", engine=engine)
        rig.run(source)
        runs.append((rig.values(), rig.kernel.cpus[0].ticks))
    assert runs[0] == runs[1]


def test_a_vcpu_starts_in_its_reset_state() -> None:
    """VZ-10."""
    rig = make_rig()
    vcpu = rig.vm.create_vcpu()
    assert vcpu.pc == 0xFFFFFFFF_BFC00000
    assert vcpu.cop0.at(12, 0) & 0xFFFFFFFF == 0x00400004
    assert vcpu.cop0.at(15, 1) & 0xFFFFFFFF == 0x80000000
    assert START & 0x1FFFFFFF == 0x1000
