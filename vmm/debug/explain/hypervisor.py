"""What KVM knows of a guest-physical address: its page table, its memory slots, the board.  (MM-6..MM-9)"""
from __future__ import annotations

from vmm.arch.privileged.names import STORE
from vmm.debug.explain import places
from vmm.debug.guest import GuestView
from vmm.host.kernel.pagetable import Pte, pfn_of

SHOWN = (Pte.VALID, Pte.WRITE, Pte.ACCESSED, Pte.DIRTY, Pte.MODIFIED, Pte.GLOBAL)


def lines_of(view: GuestView, gpa: int, access: int) -> list[str]:
    vm = view.system.vm
    page = gpa & -vm.gpa.page_size
    lines = [f"KVM: the table of guest-physical pages has {pte_text(vm.gpa.pte(page))} for {page:#x}",
             f"  {gpa:#x} is {places.of_guest(view.system, gpa)}"]
    slot = vm.slots.find(gpa)
    if slot is not None and slot.read_only and access == STORE:
        lines.append(f"  a store there goes to the board: {places.on_board(view.system.board, gpa)}")
    return lines


def pte_text(pte: int) -> str:
    if not pte & Pte.PRESENT:
        return "nothing"
    names = " ".join(flag.name for flag in SHOWN if pte & flag and flag.name)
    return f"physical {pfn_of(pte):#x} ({names})"
