"""All packets there are, in one table."""
from __future__ import annotations

from vmm.gdbstub import breakpoints, files, memory, monitor, process, query, registers, resume
from vmm.gdbstub.packets import Packets

PROTOCOL = Packets(
    row for group in (query, registers, memory, breakpoints, resume, process, files, monitor)
    for row in group.packets.rows)
