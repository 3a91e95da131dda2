"""Memory slots and the second-stage table.  Rows GK-5, MM-4, MM-7, MM-8, MM-9."""
from __future__ import annotations

import pytest

from vmm.arch.models import MODELS
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.pagetable import Pte, pfn_of
from vmm.host.machine import Machine
from vmm.kvm.errors import KvmError
from vmm.kvm.gpa import GpaSpace
from vmm.kvm.slots import Slot, SlotFlag, SlotTable
from vmm.kvm.te.backend import TrapAndEmulate
from vmm.kvm.vm import Vm

PAGE = 0x4000
WRITABLE = Slot(0, 0x10000, 0x10000, 0x100000)
READ_ONLY = Slot(1, 0x40000, 0x4000, 0x180000, SlotFlag.READONLY)


def space(*slots: Slot) -> GpaSpace:
    kernel = Kernel(Machine(MODELS["24Kf"], 1, 4 << 20, engine="reference"))
    table = SlotTable(PAGE)
    for slot in slots:
        table.set(slot)
    return GpaSpace(kernel.new_mm(), table, PAGE)


@pytest.mark.parametrize(("slot", "errno"), [
    (Slot(0, 0x1000, 0x4000, 0), "EINVAL"),
    (Slot(0, 0, 0x5000, 0), "EINVAL"),
    (Slot(0, 0, 0x4000, 0x2000), "EINVAL"),
    (Slot(8, 0, 0x4000, 0), "EINVAL"),
    (Slot(3, 0, 0, 0), "EINVAL"),
    (Slot(3, 0x1C000, 0x8000, 0), "EEXIST"),
    (Slot(0, 0x10000, 0x14000, 0x100000), "EINVAL"),
    (Slot(0, 0x10000, 0x10000, 0x104000), "EINVAL"),
    (Slot(0, 0x10000, 0x10000, 0x100000, SlotFlag.READONLY), "EINVAL"),
])  # fmt: skip
def test_a_slot_that_cannot_be_is_refused_with_its_errno(slot: Slot, errno: str) -> None:
    table = SlotTable(PAGE)
    table.set(WRITABLE)
    with pytest.raises(KvmError) as refusal:
        table.set(slot)
    assert refusal.value.errno == errno
    assert table.ordered() == [WRITABLE]


def test_slots_are_created_moved_and_deleted() -> None:
    table = SlotTable(PAGE)
    assert table.set(WRITABLE) is None
    moved = Slot(0, 0x80000, 0x10000, 0x100000)
    assert table.set(moved) == WRITABLE
    assert table.find(0x8FFFF) == moved
    assert table.find(0x10000) is None
    assert table.set(Slot(0, 0, 0, 0)) == moved
    assert table.ordered() == []


def test_a_read_maps_clean_so_that_the_first_write_is_seen() -> None:
    """MM-8."""
    gpa = space(WRITABLE)
    read = gpa.map_page(0x14004, write=False)
    assert read is not None
    assert pfn_of(read[0]) == 0x104000
    assert read[0] & (Pte.VALID | Pte.WRITE | Pte.DIRTY | Pte.MODIFIED) == Pte.VALID | Pte.WRITE
    written = gpa.map_page(0x14004, write=True)
    assert written is not None
    assert written[0] & (Pte.DIRTY | Pte.MODIFIED) == Pte.DIRTY | Pte.MODIFIED


def test_the_neighbour_is_the_other_page_of_the_pair() -> None:
    """MM-7."""
    gpa = space(WRITABLE)
    gpa.map_page(0x10000, write=True)
    found = gpa.map_page(0x14000, write=False)
    assert found is not None
    assert found[1] == gpa.pte(0x10000) != 0


@pytest.mark.parametrize(("address", "write"), [(0x30000, False), (0x30000, True), (0x40000, True), (1 << 40, False)])
def test_what_is_no_memory_is_left_to_devices(address: int, write: bool) -> None:
    """MM-9."""
    assert space(WRITABLE, READ_ONLY).map_page(address, write=write) is None


def test_read_only_memory_is_mapped_and_never_writable() -> None:
    gpa = space(READ_ONLY)
    found = gpa.map_page(0x40000, write=False)
    assert found is not None
    assert not found[0] & (Pte.WRITE | Pte.DIRTY)


def test_cleaning_logs_the_next_write_and_ageing_takes_validity() -> None:
    """MM-4, MM-7, GK-6."""
    slot = Slot(0, 0x10000, 0x10000, 0x100000, SlotFlag.LOG_DIRTY)
    gpa = space(slot)
    gpa.map_page(0x18000, write=True)
    assert slot.dirty == {2}
    slot.dirty.clear()
    assert gpa.make_clean(0x10000, 0x20000)
    assert not gpa.make_clean(0x10000, 0x20000)
    assert gpa.make_old(0x10000, 0x20000)
    gpa.map_page(0x18000, write=False)
    assert gpa.pte(0x18000) & Pte.VALID
    assert slot.dirty == set()
    gpa.map_page(0x18000, write=True)
    assert slot.dirty == {2}
    assert gpa.flush(0x10000, 0x20000)
    assert gpa.pte(0x18000) == 0


def test_a_host_with_mmids_is_refused_with_the_reason() -> None:
    """MC-20, section 22.6: with ASIDs, the same host has VMs."""
    machine = Machine(MODELS["I6500"], 1, 8 << 20, engine="reference")
    with pytest.raises(KvmError, match="EOPNOTSUPP: the host uses MMIDs, and KVM, .* boot the host with ASIDs"):
        Vm(Kernel(machine, mmids=True), TrapAndEmulate)
    Vm(Kernel(machine), TrapAndEmulate)
