"""What is at a physical address: memory, a device by name, an empty slot of the board, nothing."""
from __future__ import annotations

from vmm.debug.debuggee import Debuggee
from vmm.guest.bare import BareSystem
from vmm.guest.board import Kind
from vmm.guest.bus import BusError
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.system import BoardState


def of_machine(system: Debuggee, cpu: int, physical: int, *, memory: bool) -> str:
    """For a CPU of the machine, which found ``memory`` there or not."""
    if isinstance(system, BareSystem):
        return _of_bare(system, cpu, physical, memory)
    return "memory of the host" if memory else "nothing: the host has memory only"


def _of_bare(system: BareSystem, cpu: int, physical: int, memory: bool) -> str:
    if memory:
        regions = system.request.board.regions(system.request.ram_size)
        return next((f"{region.kind.value} ({region.name})" for region in regions
                     if region.base <= physical < region.end and region.kind in (Kind.RAM, Kind.ROM)), "memory")
    if system.device_maps[cpu].covers(physical):
        return "the CPU's common device memory map"
    if system.cps is not None and system.cps.find(physical, cpu) is not None:
        return "coherence manager, power controller or GIC"
    return on_board(system.board, physical)


def on_board(board: BoardState, physical: int) -> str:
    try:
        device = board.built.bus.device_at(physical)
    except BusError:
        return "nothing: a bus error"
    if device is None:
        return "an empty slot of the board"
    names = (name for name, each in board.built.devices.items() if each is device)
    return f"device {next(names, type(device).__name__)}"


def of_guest(system: HypervisedSystem, gpa: int) -> str:
    """A guest-physical address, as KVM finds it: a memory slot, else the board's device."""
    slot = system.vm.slots.find(gpa)
    if slot is None:
        return f"in no memory slot, so KVM asks the board: {on_board(system.board, gpa)}"
    kind = "read-only, " if slot.read_only else ""
    return f"in memory slot {slot.number} ({kind}{slot.guest:#x}..{slot.end:#x}): host-physical {slot.host_of(gpa):#x}"
