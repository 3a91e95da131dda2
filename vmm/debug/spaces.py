"""The address spaces of a host by name: the kernel's own, those of guests, those of processes."""
from __future__ import annotations

from collections.abc import Iterator

from vmm.debug.worlds import Worlds
from vmm.host.kernel.contexts import Mm
from vmm.host.kernel.kernel import Kernel
from vmm.kvm.te.backend import TrapAndEmulate


def spaces(worlds: Worlds, kernel: Kernel) -> list[tuple[str, Mm]]:
    """Each once; a space that is loaded and nobody's known goes by its address."""
    named = [("init_mm", kernel.init_mm), *_of_guests(worlds), *_of_processes(worlds)]
    for mmu in kernel.mmus:
        mm = mmu.loaded()
        if mm is not None and all(mm is not known for _, known in named):
            named.append((f"mm at {mm.address:#x}", mm))
    return named


def _of_guests(worlds: Worlds) -> Iterator[tuple[str, Mm]]:
    for vm in (system.vm for system in worlds.vms.values()):
        if not isinstance(vm.backend, TrapAndEmulate):
            yield f"{vm.name}guest-physical", vm.gpa_mm
            continue
        for vcpu in vm.vcpus:
            guest = vm.backend.guest(vcpu)
            yield f"{vm.name}vcpu{vcpu.number} kernel", guest.kernel
            yield f"{vm.name}vcpu{vcpu.number} users", guest.user


def _of_processes(worlds: Worlds) -> Iterator[tuple[str, Mm]]:
    for pid, process in worlds.processes.items():
        if process.threads:
            yield f"{process.name} ({pid})", process.mm


def name_of(named: list[tuple[str, Mm]], mm: Mm | None) -> str:
    return next((name for name, known in named if known is mm), "-")
