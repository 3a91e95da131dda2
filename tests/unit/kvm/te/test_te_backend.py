"""Reset, registers from outside, and the back end's callbacks (rows TE-20..TE-36, OR-2, OR-8, C0-24)."""
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.kvm.te.te_rig import GUEST_RAM, HOST_CONFIG, HOST_CONFIG1, KERNEL_PC, Host, Rig
from vmm.arch.cp0.registers import (
    Cause,
    Compare,
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config7,
    Count,
    EBase,
    EntryHi,
    IntCtl,
    PRId,
    Register,
    Status,
)
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.pagetable import Pte
from vmm.kvm.quirks import Quirks
from vmm.kvm.te import reset
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.te.registers import ONE_REG_ORDER, set_from_outside
from vmm.kvm.vcpu import Emulation, Request, Vcpu

USER_PTE = GUEST_RAM | Pte.PRESENT | Pte.VALID


@pytest.mark.parametrize(("register", "value"), [
    (PRId,    0x0001_9300),
    (Config,  0x8000_0483),             # M, AR of the host, TLB, K0 = 3
    (Config1, 0xFE19_0C80),             # 64 entries, no unit, the host's caches
    (Config2, 0x8000_0000),
    (Config3, 0x8000_2000),
    (Config4, 0x8000_0000),
    (Config5, 0),
    (Config7, 0x8000_0400),
    (Status,  0x0040_0004),
    (IntCtl,  0xFC00_0000),
    (EBase,   0x4000_0003),
])
def test_reset_values_te21_te24(register: type[Register], value: int) -> None:
    assert reset.values(3, HOST_CONFIG, HOST_CONFIG1, big_endian=False)[register] == value


def test_reset_on_other_hosts_te21_te22() -> None:
    big = reset.values(0, 2 << 10 | Config.VI.mask, 0, big_endian=True)
    assert big[PRId] == 0x0001_0000
    assert big[Config] == 0x8000_888B


def test_reset_pc_and_count_te20_te24(rig: Rig) -> None:
    rig.host.now = 12345
    reset.reset(rig.guest, HOST_CONFIG, HOST_CONFIG1)
    assert rig.vcpu.pc == 0x5FC0_0000
    assert rig.guest.timer.read_count() == 0
    assert rig.guest.timer.hz == 100_000_000


def test_register_list_or2() -> None:
    assert len(ONE_REG_ORDER) == 35 - 3
    assert ONE_REG_ORDER[0].name == "Index"
    assert ONE_REG_ORDER[-1].name == "KScratch6"


@pytest.mark.parametrize(("register", "before", "set_to", "after"), [
    (PRId,    0x19300,     0x1A800,     0x1A800),
    (IntCtl,  0xFC00_0000, 0,           0xFC00_0000),           # OR-8
    (EBase,   0x4000_0001, 0xFFFF_FFFF, 0x5FFF_F3FF),
    (Config,  0x8000_0483, 0,           0x8000_0483),
    (Config1, 0xFE19_0C80, 0xFFFF_FFFF, 0xFE19_0C80),           # C0-24: no FPU enabled
    (Config3, 0,           0xFFFF_FFFF, 0x8000_2000),
    (Config4, 0,           0xFFFF_FFFF, 0x80FC_0000),
    (Config5, 0,           0xFFFF_FFFF, 0),
    (Config7, 0x8000_0400, 0,           0x8000_0400),
    (Status,  0,           0xFFFF_FFFF, 0xFFFF_FFFF),
])
def test_set_from_outside_or8_c0_24(rig: Rig, register: type[Register], before: int, set_to: int, after: int) -> None:
    rig.cop0[register] = before
    set_from_outside(rig.guest, register, set_to)
    assert rig.cop0[register] == after


def test_enabled_units_may_be_set_c0_24(rig: Rig) -> None:
    rig.vcpu.fpu_enabled = rig.vcpu.msa_enabled = True
    rig.cop0[Config1] = 0
    set_from_outside(rig.guest, Config1, 0xFFFF_FFFF)
    set_from_outside(rig.guest, Config3, 0xFFFF_FFFF)
    assert (rig.cop0[Config1], rig.cop0[Config3]) == (1, 0x9000_2000)


def test_compare_from_outside_does_not_acknowledge_tm14(rig: Rig) -> None:
    rig.guest.timer.expire()
    set_from_outside(rig.guest, Compare, 77)
    assert rig.cop0[Cause] & Cause.TI.mask


def test_cause_from_outside_stops_the_timer_or8(rig: Rig) -> None:
    rig.host.now = 500
    set_from_outside(rig.guest, Cause, Cause.DC.mask | 0x400)
    assert (rig.cop0[Cause], rig.cop0[Count]) == (Cause.DC.mask | 0x400, 50)
    set_from_outside(rig.guest, Cause, 0x400)
    assert rig.guest.timer.deadline is not None


# -- the callbacks --------------------------------------------------------------------------------


class Vm:
    """As much of a VM as the back end uses."""

    def __init__(self) -> None:
        self.host = Host(14, 4)
        self.quirks = Quirks()
        self.flushes = 0
        root = {Config: HOST_CONFIG, Config1: HOST_CONFIG1}
        self.kernel = SimpleNamespace(new_mm=self.host.new_mm, init_mm=self.host.init_mm,
                                      cpus=[SimpleNamespace(root=root)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.host, name)

    def flush_remote(self) -> None:
        self.flushes += 1


@pytest.fixture
def vm() -> Any:
    return Vm()


@pytest.fixture
def backend(vm: Any) -> TrapAndEmulate:
    return TrapAndEmulate(vm)


@pytest.fixture
def vcpu(vm: Any, backend: TrapAndEmulate) -> Vcpu:
    pages = vm.host.pages
    made = Vcpu(0, vm.host.ram, pages.alloc(), pages.alloc(), word=4, big_endian=False)
    backend.vcpu_init(made)
    return made


def test_init_publishes_both_address_spaces_te30(backend: TrapAndEmulate, vcpu: Vcpu) -> None:
    guest = backend.guest(vcpu)
    assert vcpu.kernel_mm == kernel_address(guest.kernel.address)
    assert vcpu.user_mm == kernel_address(guest.user.address)
    assert guest.kernel is not guest.user


def test_run_gives_the_mode_an_asid_and_the_process_its_own_back_te35(vm: Any, backend: TrapAndEmulate,
                                                                      vcpu: Vcpu) -> None:
    backend.prepare_run(vcpu, 1)
    guest = backend.guest(vcpu)
    assert guest.kernel.context(1)
    assert not guest.user.context(1)
    backend.finish_run(vcpu, 1)
    assert vm.host.contexts.loaded is vm.host.init_mm


def test_user_shadows_follow_the_asid_lazily_te34(backend: TrapAndEmulate, vcpu: Vcpu) -> None:
    guest = backend.guest(vcpu)
    guest.user.table.put(0x1_0000, USER_PTE)
    vcpu.cop0[EntryHi], vcpu.cop0[Status] = 5, 0
    backend.reenter(vcpu, 0)
    assert guest.user.table.get(0x1_0000), "the kernel runs, its users wait"
    vcpu.cop0[Status] = 0x10
    backend.reenter(vcpu, 0)
    assert not guest.user.table.get(0x1_0000)
    guest.user.table.put(0x1_0000, USER_PTE)
    backend.reenter(vcpu, 0)
    assert guest.user.table.get(0x1_0000)


def test_flush_request_te32(backend: TrapAndEmulate, vcpu: Vcpu) -> None:
    guest = backend.guest(vcpu)
    backend.prepare_run(vcpu, 0)
    guest.kernel.table.put(0x4000_0000, USER_PTE)
    guest.kernel.set_context(1, 0x155)
    old = guest.kernel.context(0)
    vcpu.requests.add(Request.TLB_FLUSH)
    backend.reenter(vcpu, 0)
    assert not guest.kernel.table.get(0x4000_0000)
    assert guest.kernel.context(0) not in (0, old)
    assert guest.kernel.context(1) == 0
    assert not vcpu.requests


def test_a_memory_change_is_a_remote_flush_te36(vm: Any, backend: TrapAndEmulate) -> None:
    backend.flush_shadow_all()
    assert vm.flushes == 1


@pytest.mark.parametrize("inside", [True, False])
def test_preemption_in_the_guest_swaps_address_spaces_te31(vm: Any, backend: TrapAndEmulate, vcpu: Vcpu,
                                                           inside: bool) -> None:
    vcpu.in_guest_context = inside
    backend.vcpu_load(vcpu, 0)
    assert (vm.host.contexts.loaded is backend.guest(vcpu).kernel) is inside
    backend.vcpu_put(vcpu, 0)
    assert (vm.host.contexts.loaded is vm.host.init_mm) is inside


def test_an_exit_and_interrupts_through_the_callbacks(backend: TrapAndEmulate, vcpu: Vcpu) -> None:
    vcpu.cop0[Status], vcpu.cop0[EBase], vcpu.pc = 0x401, 0x4000_0000, KERNEL_PC
    vcpu.host_cause = 0
    assert backend.handle_exit(vcpu, 0) is Emulation.DONE
    backend.queue_io(vcpu, 2)
    assert backend.wakeable(vcpu)
    backend.deliver_interrupts(vcpu, 0)
    assert vcpu.pc == 0x4000_0180


def test_one_reg_through_the_callbacks(vm: Any, backend: TrapAndEmulate, vcpu: Vcpu) -> None:
    backend.set_register(vcpu, Count, 1000)
    vm.host.now = 100
    assert backend.get_register(vcpu, Count) == 1010
