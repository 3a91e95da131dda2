"""EIC mode of a GIC: a VP's core sees an external interrupt controller, which requests a level rather than raise lines.

What is mapped to pin n requests level n + 1, which is its vector, too; of several, the highest.  Pin 63 requests nothing:
there is no level 64.  The core's own interrupts are local interrupts of the GIC then: they come without telling anybody, so
the core is told beforehand which level each requests.  Cores here have one set of general registers, so the shadow set of
every pin is 0.
(Config3.VEIC shows GIC_Vx_CTL.EIC: Baikal's Linux for the Baikal-T1, SI_EICPresent.  Levels, vectors and what is routed:
Linux, drivers/irqchip/irq-mips-gic.c, GIC_PIN_TO_VEC_OFFSET and gic_local_irq_is_routable, and its older
arch/mips/kernel/irq-gic.c, gic_eic_irq_dispatch.  MD00090, chapter 6, External Interrupt Controller Mode.)
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

EIC = 1
"""In GIC_Vx_CTL."""
PINS = 63
"""Those that a level belongs to; each has a register that names its shadow set."""
OWN = ((2, 2), (3, 4), (4, 5), (5, 6))
"""The core's own: timer, performance counters, software interrupts 0 and 1, as local interrupts and by their maps.  The
fast debug channel's, 6 and 3, is no core's that has such a GIC here."""


class Cores(Protocol):
    """The cores of the VPs, by their numbers."""
    def show_controller(self, vp: int, there: bool) -> None: ...        # Config3.VEIC
    def request(self, vp: int, level: int) -> None: ...                 # 0: nothing
    def set_own_levels(self, vp: int, levels: Sequence[int]) -> None: ...
    def own_pending(self, vp: int) -> int: ...                          # as bits of GIC_Vx_PEND


class NoCores:
    """Nobody: lines are all that there is."""
    def show_controller(self, vp: int, there: bool) -> None: ...

    def request(self, vp: int, level: int) -> None: ...

    def set_own_levels(self, vp: int, levels: Sequence[int]) -> None: ...

    def own_pending(self, vp: int) -> int:
        return 0


def requested_level(pins: int) -> int:
    """Of pins that are up, a bit each."""
    return (pins & (1 << PINS) - 1).bit_length()
