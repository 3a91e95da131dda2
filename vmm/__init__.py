"""A MIPS virtual machine monitor.  These are the public names; each is loaded when it is first used.

>>> import vmm
>>> console = vmm.MemoryConsole()
>>> system = vmm.make_system(vmm.request(mode="vz"), console)
>>> _ = system.run(until=10_000_000)
>>> console.text.splitlines()[-1], system.ending.status
('all 71 checks passed', 0)
"""
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmm.arch.models import MODELS as MODELS
    from vmm.cli.choose import make_host as make_host
    from vmm.cli.choose import make_system as make_system
    from vmm.cli.choose import request as request
    from vmm.errors import ConfigError as ConfigError
    from vmm.guest.board import MACHINES as MACHINES
    from vmm.guest.console import MemoryConsole as MemoryConsole
    from vmm.guest.host import Host as Host
    from vmm.guest.system import Ending as Ending
    from vmm.guest.system import Request as Request
    from vmm.guest.system import System as System

WHERE = {
    "MODELS": "vmm.arch.models", "MACHINES": "vmm.guest.board", "ConfigError": "vmm.errors",
    "request": "vmm.cli.choose", "make_system": "vmm.cli.choose", "make_host": "vmm.cli.choose",
    "MemoryConsole": "vmm.guest.console", "Host": "vmm.guest.host", "Request": "vmm.guest.system",
    "System": "vmm.guest.system", "Ending": "vmm.guest.system",
}

__all__ = sorted(WHERE)


def __getattr__(name: str) -> object:
    if name in WHERE:
        return getattr(import_module(WHERE[name]), name)
    raise AttributeError(f"module 'vmm' has no public name {name!r}; there are {', '.join(sorted(WHERE))}")
