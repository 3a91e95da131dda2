"""Step through the start of a VZ guest: the host kernel's generated code runs first, instruction by instruction,
and its ERET is the door into the guest.
"""
from __future__ import annotations

import vmm

system = vmm.make_system(vmm.request(mode="vz"), vmm.MemoryConsole())
cpu = system.machine.cpus[0]
steps = 0
while not system.in_guest(0):
    system.step(0)
    steps += 1
print(f"{steps} steps in the host, then the guest's first instruction at {cpu.pc & 0xFFFF_FFFF:#x}")
assert cpu.pc == system.request.image.entry
