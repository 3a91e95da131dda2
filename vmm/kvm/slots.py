"""Memory slots: which guest-physical ranges are memory, and where it is in the host.  (rows GK-5, V-4, MC-7)

Invariant: slots do not overlap, are whole host pages, and a page has one host address for as long as its slot lives.
"""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import IntFlag

from vmm.kvm.errors import KvmError

MAX_SLOTS = 8


class SlotFlag(IntFlag):
    NONE = 0
    LOG_DIRTY = 1
    READONLY = 2


@dataclass(frozen=True, slots=True)
class Slot:
    """``host`` is the host-physical address of the first byte."""

    number: int
    guest: int
    size: int
    host: int
    flags: SlotFlag = SlotFlag.NONE
    dirty: set[int] = field(default_factory=set, compare=False)
    """Page frame numbers, relative to the slot, written since the log was last taken."""

    @property
    def end(self) -> int:
        return self.guest + self.size

    @property
    def read_only(self) -> bool:
        return bool(self.flags & SlotFlag.READONLY)

    def host_of(self, gpa: int) -> int:
        return self.host + gpa - self.guest


class SlotTable:
    def __init__(self, page_size: int) -> None:
        self.page_size = page_size
        self._slots: dict[int, Slot] = {}
        self._spans: list[tuple[int, int, Slot]] = []      # (first, end, slot): each exit asks

    def ordered(self) -> list[Slot]:
        """By guest address."""
        return sorted(self._slots.values(), key=lambda slot: slot.guest)

    def find(self, gpa: int) -> Slot | None:
        """The slot that holds a guest-physical address."""
        for first, end, slot in self._spans:
            if first <= gpa < end:
                return slot
        return None

    def set(self, new: Slot) -> Slot | None:
        """Create, move, change the flags of, or (size 0) delete a slot; the slot as it was before."""
        self._check_form(new)
        old = self._slots.get(new.number)
        if not new.size:
            if old is None:
                raise KvmError("EINVAL", f"memory slot {new.number} deleted, but there is none; create it first")
            del self._slots[new.number]
        else:
            self._check_place(new, old)
            self._slots[new.number] = new if old is None else replace(new, dirty=old.dirty)
        self._spans = [(slot.guest, slot.end, slot) for slot in self._slots.values()]
        return old

    def _check_place(self, new: Slot, old: Slot | None) -> None:
        if old is not None:
            self._check_change(old, new)
        for other in self._slots.values():
            if other.number != new.number and new.guest < other.end and other.guest < new.end:
                raise KvmError("EEXIST", f"memory slot {new.number} at {new.guest:#x}..{new.end:#x} overlaps slot "
                                         f"{other.number} at {other.guest:#x}..{other.end:#x}; choose another range")

    def _check_form(self, new: Slot) -> None:
        if not 0 <= new.number < MAX_SLOTS:
            raise KvmError("EINVAL", f"memory slot {new.number} asked; there are 0..{MAX_SLOTS - 1}")
        for what, value in (("guest address", new.guest), ("size", new.size), ("host address", new.host)):
            if value < 0 or value % self.page_size:
                raise KvmError("EINVAL", f"memory slot {new.number}: {what} {value:#x} is no multiple of the host page "
                                         f"size {self.page_size:#x}")

    def _check_change(self, old: Slot, new: Slot) -> None:
        for what, before, after in (("size", old.size, new.size), ("host address", old.host, new.host),
                                    ("read-only flag", old.read_only, new.read_only)):
            if before != after:
                raise KvmError("EINVAL", f"memory slot {new.number}: {what} cannot change from {before} to {after}; "
                                         "delete the slot and create it again")
