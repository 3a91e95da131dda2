"""Several VZ vCPUs on few CPUs: identities, wired entries, preemption, migration.  Rows VZ-20..VZ-34, GK-2, GK-7."""
from __future__ import annotations

import pytest

from tests.unit.kvm.vz.test_vz_run import GUEST_TLB, LEAVE_BOOT
from tests.unit.kvm.vz.vz_rig import END, make_rig
from vmm.arch.cp0.registers import EntryHi
from vmm.arch.models import MODELS
from vmm.errors import ConfigError
from vmm.host.kernel.kernel import Kernel
from vmm.host.machine import Machine
from vmm.kvm.errors import KvmError
from vmm.kvm.vcpu import Request
from vmm.kvm.vz import ids
from vmm.kvm.vz.guest import VzHost
from vmm.kvm.vz.hardware import vz_host
from vmm.kvm.vz.translate import guest_physical

MODELS_VZ = ("P5600", "MIPS64R5-generic", "I6500")

SHARE = (GUEST_TLB + "lui $20, 0; loop:; addiu $20, $20, 1; lw $19, 0($17); bne $19, $18, bad; slti $21, $20, 3000;"
         "bne $21, $0, loop; nop; sw $18, 0($16); {end}; bad:; sw $19, 4($16); {end}")
"""Reads its mark through its wired entry 3000 times; says what it read if it was another's."""


@pytest.mark.parametrize("model", MODELS_VZ)
def test_two_vcpus_of_one_vm_share_a_cpu_and_keep_their_wired_entries(model: str) -> None:
    rig = make_rig(model, quantum=3000)
    for number in range(2):
        source = SHARE.format(lo=(0x20 + 4 * number) << 6 | 0x1F, mark=70 + number, end=END)
        rig.start(rig.add_vcpu(source, at=0xFFFFFFFF_80001000 + 0x2000 * number))
    rig.kernel.scheduler.run(300_000)
    assert sorted(rig.values()) == [70, 71]
    assert all(vcpu.stats["interrupt"] > 2 for vcpu in rig.vm.vcpus)


@pytest.mark.parametrize("model", MODELS_VZ)
def test_two_vms_share_a_cpu_and_never_see_each_other(model: str) -> None:
    """The same guest-physical addresses mean other memory in each."""
    rig = make_rig(model, quantum=3000)
    for number, vm in enumerate((rig.vm, rig.add_vm())):
        rig.start(rig.add_vcpu(SHARE.format(lo=0x20 << 6 | 0x1F, mark=80 + number, end=END), vm), vm)
    rig.kernel.scheduler.run(300_000)
    assert sorted(rig.values()) == [80, 81]


@pytest.mark.parametrize("model", MODELS_VZ)
def test_three_vcpus_move_between_two_cpus(model: str) -> None:
    """VZ-20, VZ-31, VZ-32: whatever CPU they come to, their state comes along."""
    rig = make_rig(model, cpus=2, quantum=2000)
    for number in range(3):
        source = SHARE.format(lo=(0x20 + 4 * number) << 6 | 0x1F, mark=60 + number, end=END)
        rig.start(rig.add_vcpu(source, at=0xFFFFFFFF_80001000 + 0x2000 * number))
    rig.kernel.scheduler.run(300_000)
    assert sorted(rig.values()) == [60, 61, 62]


def test_one_vcpu_wakes_another_on_another_cpu() -> None:
    """MC-11 with a target; IPI lines IP3."""
    rig = make_rig(cpus=2)
    waiter = (f"{LEAVE_BOOT}; ori $9, $0, 0x0800; mtc0 $9, $12; lui $16, 0xb800; wait; mfc0 $9, $13;"
              f"andi $9, $9, 0x0800; sw $9, 0($16); {END}")
    task = rig.start(rig.add_vcpu(waiter))
    rig.start(rig.add_vcpu("spin:; b spin; nop", at=0xFFFFFFFF_80003000))
    rig.kernel.scheduler.run(200_000)
    assert not task.done
    rig.vm.interrupt(3, 0)
    rig.kernel.scheduler.run(400_000, lambda: task.done)
    assert rig.values() == [0x800]


def test_guest_ids_start_at_0x101_and_skip_zero() -> None:
    """VZ-30, golden row GuestID of section F."""
    rig = make_rig("MIPS64R5-generic")
    host = rig.host
    host.cache[0] = host.first_version
    assert ids.new_guest_id(host, 0) == 0x101
    host.cache[0] = 0x1FF
    rig.kernel.tlbs[0].write(1, 0x4000, 2, 2, guest_id=9)
    assert ids.new_guest_id(host, 0) == 0x201
    assert rig.kernel.tlbs[0].probe(0x4000, 0, 9) is None


def test_a_flush_request_takes_the_ids_away_and_asks_for_wired_entries() -> None:
    """VZ-33."""
    rig = make_rig("MIPS64R5-generic")
    vcpu = rig.vm.create_vcpu()
    guest = rig.vm.backend.guest(vcpu)  # type: ignore[attr-defined]  # the VZ back end's own
    guest.guest_ids[0] = 0x105
    assert not ids.check_requests(rig.host, guest)
    vcpu.requests.add(Request.TLB_FLUSH)
    assert ids.check_requests(rig.host, guest)
    assert (guest.guest_ids, vcpu.requests) == ([0], set())


def test_without_guest_ids_a_flush_is_a_new_root_asid_on_each_cpu() -> None:
    """VZ-32, VZ-34."""
    rig = make_rig("P5600", cpus=2)
    vcpu = rig.vm.create_vcpu()
    guest = rig.vm.backend.guest(vcpu)  # type: ignore[attr-defined]
    ids.load_tlb(rig.host, rig.vm, guest, 0)
    before = rig.vm.gpa_mm.context(0)
    rig.vm.backend.flush_shadow_all()
    assert rig.vm.asid_flush_mask == 0b11
    ids.load_tlb(rig.host, rig.vm, guest, 0)
    assert rig.vm.gpa_mm.context(0) == before + 1
    assert rig.vm.asid_flush_mask == 0b10


def test_guest_virtual_addresses_are_converted_as_the_guest_would() -> None:
    """VZ-52, TL-5."""
    rig = make_rig("MIPS64R5-generic")
    core, tlb = rig.kernel.cpus[0], rig.kernel.tlbs[0]
    core.mtgc0(EntryHi, 5)
    core.guest_tlb[4] = tlb.make_entry(entry_hi=0x408005, page_mask=0x6000, entry_lo0=0x20 << 6 | 2,
                                       entry_lo1=0x40 << 6, guest_id=7, ehinv=False)
    assert guest_physical(core, 0xFFFFFFFF_A0001234, 7) == 0x1234
    assert guest_physical(core, 0x98000001_23456789, 7) == 0x1_23456789
    assert guest_physical(core, 0x40A123, 7) == 0x22123
    assert guest_physical(core, 0x40C123, 7) is None
    assert guest_physical(core, 0x40A123, 8) is None


def test_a_host_without_vz_is_refused_by_name() -> None:
    """VZ-4."""
    with pytest.raises(ConfigError, match="24Kf has no VZ"):
        vz_host(Kernel(Machine(MODELS["24Kf"], 1, 1 << 20)))


def test_a_vm_has_eight_vcpus() -> None:
    """V-4."""
    rig = make_rig()
    assert isinstance(rig.host, VzHost)
    for _ in range(8):
        rig.vm.create_vcpu()
    with pytest.raises(KvmError, match="at most 8"):
        rig.vm.create_vcpu()
