"""Boot the bundled guest under VZ, and look at what it said and why it came out to the hypervisor."""
from __future__ import annotations

import vmm

console = vmm.MemoryConsole()
system = vmm.make_system(vmm.request(mode="vz", arguments="hello=world"), console)
system.run(until=10_000_000)

assert system.ending is not None
print(console.text.splitlines()[1])
print(console.text.splitlines()[-1])
print(f"{system.ending.text}, status {system.ending.status}")
for cause, count in sorted(system.exits.items()):
    if count:
        print(f"{cause:16}{count:6}")
