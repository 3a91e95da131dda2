"""An access explained, for a CPU of the machine or for a vCPU.

A VZ guest is looked at as the CPU would run it, through both stages; where root's TLB has nothing, KVM's table of
guest-physical pages and its memory slots decide.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import Debug, EBase, EntryHi, GuestCtl0, Status
from vmm.arch.state import ROOT_FILE
from vmm.debug.addresses import forms
from vmm.debug.explain import hypervisor, places, program, shadowed, worded
from vmm.debug.explain.look import Seen, look
from vmm.debug.guest import TeView, VzView
from vmm.debug.host import HostView
from vmm.debug.process import ProcessView
from vmm.debug.snapshot import Snapshot
from vmm.debug.spaces import name_of, spaces
from vmm.debug.view import View
from vmm.debug.worlds import Worlds
from vmm.kvm.vz.ids import root_tag


def explain(worlds: Worlds, view: View, address: int, access: int) -> str:
    """Lines of text; ``access`` is one of ``ACCESSES``."""
    va = forms(address, worlds.system.request.image.bits)[0]
    if isinstance(view, VzView):
        lines = _vz(view, va, access)
    elif isinstance(view, TeView):
        lines = shadowed.lines_of(view, va, access)
    elif isinstance(view, ProcessView):
        lines = program.lines_of(view, va, access)
    else:
        assert isinstance(view, HostView)
        lines = _host(worlds, view, va, access)
    return "\n".join(lines) + "\n"


def seen_by_host(view: HostView, va: int, access: int, size: int | None = None) -> Seen:
    """As the CPU stands; while it executes its guest, as root's kernel would see it, which has EXL set then."""
    snapshot = Snapshot(view.cpu)
    if view.cpu.in_guest:
        snapshot.state.words[ROOT_FILE + Status.index] |= Status.EXL.mask
    return look(snapshot.state, view.cpu.big_endian, view.machine.memory, va, access, size)


def seen_by_vz(view: VzView, va: int, access: int, size: int | None = None) -> Seen:
    """As the vCPU's guest would, under its identity on the CPU where it is, or was last."""
    snapshot, cpu = view.translation()
    words = snapshot.state.words
    if not cpu.in_guest:
        words[ROOT_FILE + GuestCtl0.index] |= GuestCtl0.GM.mask
        words[ROOT_FILE + Status.index] &= ~(Status.EXL.mask | Status.ERL.mask)
        words[ROOT_FILE + Debug.index] &= ~Debug.DM.mask
        words[ROOT_FILE + EBase.index] = view.vcpu.guest_ebase
        backend = view.backend
        asid, _ = root_tag(backend.host, backend.vm, backend.guest(view.vcpu), cpu.number)
        words[ROOT_FILE + EntryHi.index] = words[ROOT_FILE + EntryHi.index] & ~EntryHi.ASID.mask | asid
    return look(snapshot.state, cpu.big_endian, view.machine.memory, va, access, size)


# -- the machine -------------------------------------------------------------------------------------------------------
def _host(worlds: Worlds, view: HostView, va: int, access: int) -> list[str]:
    seen = seen_by_host(view, va, access)
    lines = worded.stages(seen) + _loaded(worlds, view, seen)
    if seen.physical is None:
        return [*lines, worded.exception(seen)]
    place = places.of_machine(worlds.system, view.cpu.number, seen.physical, memory=seen.memory)
    lines.append(f"physical {seen.physical:#x}: {place}")
    return lines if seen.raised is None else [*lines, worded.exception(seen)]


def _loaded(worlds: Worlds, view: HostView, seen: Seen) -> list[str]:
    """What the host kernel would put into the TLB, where it is the kernel's space that the CPU has."""
    number, stages = view.cpu.number, seen.stages
    if worlds.kernel is None or worlds.guest_on(number) is not None or not stages or stages[0].lookup is None:
        return []
    mm, page = worlds.kernel.mmus[number].loaded(), seen.address & -worlds.kernel.pages.page_size
    if mm is None or seen.address >> mm.table.geometry.coverage:
        return []
    if worlds.kernel.contexts.tag(number, mm) != stages[0].lookup.tag:
        return []                                       # the CPU translates with a guest's
    name = name_of(spaces(worlds, worlds.kernel), mm)
    return [f"the space that is loaded, {name}, has {hypervisor.pte_text(mm.table.get(page))} for {page:#x}"]


# -- a VZ guest --------------------------------------------------------------------------------------------------------
def _vz(view: VzView, va: int, access: int) -> list[str]:
    seen = seen_by_vz(view, va, access)
    lines = [f"vCPU {view.vcpu.number} ({view.state})", *worded.stages(seen)]
    if seen.raised is not None:
        lines.append(worded.exception(seen))
    if seen.stages and (gpa := seen.stages[0].physical) is not None:
        if seen.physical is not None:
            lines.append(f"physical {seen.physical:#x}: memory of the host")
        lines += hypervisor.lines_of(view, gpa, access)
    return lines
