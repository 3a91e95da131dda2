"""Two guests on one host with four CPUs, one under VZ and one under trap-and-emulate: every 100 microseconds each goes on
at the next CPU, and it says what it says alone.
"""
from __future__ import annotations

import vmm

alone, together = {}, {}
for mode in ("vz", "te"):
    alone[mode], together[mode] = vmm.MemoryConsole(), vmm.MemoryConsole()
    vmm.make_system(vmm.request(mode=mode, cpu="P5600"), alone[mode]).run(until=50_000_000)

host = vmm.make_host([(vmm.request(mode=mode, cpu="P5600", host_cpus=4, migrate=100), together[mode]) for mode in together])
host.run(until=50_000_000)
for guest, mode in zip(host.guests, together, strict=True):
    print(f"{mode:4}{sum(guest.exits.values()):6,} exits, the same output: {alone[mode].text == together[mode].text}")
print(f"{sum(cpu.retired > 100_000 for cpu in host.machine.cpus)} CPUs had work")
