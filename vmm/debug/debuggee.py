"""What can be put under the debugger: a machine with its guests, or user programs on a host kernel."""
from __future__ import annotations

from typing import Protocol

from vmm.guest.image import Image
from vmm.guest.system import Ending, Interrupted
from vmm.host.machine import Machine


class Asked(Protocol):
    @property
    def image(self) -> Image:
        """What runs, or what ran first."""


class Debuggee(Protocol):
    """See ``vmm.guest.system.System``, which has all of this."""

    @property
    def request(self) -> Asked: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def ending(self) -> Ending | None: ...
    def run(self, until: int) -> Interrupted | None: ...
    def step(self, cpu: int) -> Interrupted | None: ...
    def host_code(self) -> bytes: ...
