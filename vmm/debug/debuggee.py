"""What can be put under the debugger: a machine with its guest, or user programs on a host kernel."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vmm.guest.image import Image
from vmm.guest.system import Ending, Interrupted
from vmm.host.machine import Machine
from vmm.kvm.vcpu import Vcpu


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
    @property
    def exits(self) -> Mapping[str, int]: ...
    @property
    def vcpus(self) -> list[Vcpu]: ...
    def run(self, until: int) -> Interrupted | None: ...
    def step(self, cpu: int) -> Interrupted | None: ...
    def in_guest(self, cpu: int) -> bool: ...
    def vcpu_on(self, cpu: int) -> Vcpu | None: ...
    def host_code(self) -> bytes: ...
    def destroy_guest(self) -> None: ...
