"""The simulated hardware of the host."""
from vmm.host.machine.machine import NS_PER_TICK, Machine, Piece
from vmm.host.machine.ram import Ram

__all__ = ["NS_PER_TICK", "Machine", "Piece", "Ram"]
