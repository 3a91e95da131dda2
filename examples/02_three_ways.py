"""One kernel on the machine itself, under trap-and-emulate and under VZ: the same words, at different prices."""
from __future__ import annotations

import vmm

said = {}
for mode in ("bare", "te", "vz"):
    console = vmm.MemoryConsole()
    system = vmm.make_system(vmm.request(mode=mode), console)
    system.run(until=50_000_000)
    said[mode] = console.text
    executed = sum(cpu.retired for cpu in system.machine.cpus)
    print(f"{mode:5}{executed:10,} instructions, {sum(system.exits.values()):6,} exits")

print("same output:", len(set(said.values())) == 1)
