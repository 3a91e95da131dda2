"""``Stop``, under the engine's name."""
from vmm.arch.stops import Stop

__all__ = ["Stop"]
