"""A guest for tests: run an image, read its console, wait for words.  Deadlines count instructions, never seconds.

So a test that passes on a laptop passes on a loaded computer, and one that fails, fails at the same instruction every
time.
"""
from __future__ import annotations

import re
from pathlib import Path

from vmm.arch.models import find_model
from vmm.guest.bare import BareSystem
from vmm.guest.board import MIB, find_board
from vmm.guest.console import MemoryConsole
from vmm.guest.formats import load_image
from vmm.guest.hypervised import HypervisedSystem
from vmm.guest.image import Image
from vmm.guest.placement import Mode
from vmm.guest.system import Ending, Request, System

SLICE_TICKS = 1_000_000
SHOWN = 800
"""Characters of the console in the message of a failure."""


class Silent(AssertionError):
    """The guest did not say it in time; the message shows what it last said."""


class Guest:
    """A guest on a machine of its own, stopped until a test waits for something.

    ``image``: a path or an ``Image``.  ``cpu``: a name that ``vmm info cpus`` lists.  ``memory``: bytes.
    """

    def __init__(self, image: str | Path | Image, *, mode: Mode = "vz", cpu: str = "P5600", memory: int = 64 * MIB,
                 arguments: str = "", engine: str = "native", host_cpus: int = 1) -> None:
        loaded = image if isinstance(image, Image) else load_image(str(image))
        request = Request(loaded, mode, find_model(cpu), find_board("malta"), memory, host_cpus=host_cpus,
                          command_line=arguments, engine=engine)
        self.console = MemoryConsole()
        self.system: System = (BareSystem if mode == "bare" else HypervisedSystem)(request, self.console)
        self._read_to = 0

    @property
    def text(self) -> str:
        """All that the guest has said."""
        return self.console.text

    @property
    def exits(self) -> dict[str, int]:
        return self.system.exits

    @property
    def ticks(self) -> int:
        """Virtual time: instructions tried, and those that WAIT skipped."""
        return max(cpu.ticks for cpu in self.system.machine.cpus)

    def type(self, keys: str) -> None:
        self.console.type(keys.encode())

    def expect(self, pattern: str, within: int = 100_000_000) -> re.Match[str]:
        """Run until the console says it, from behind what was matched before; ``Silent`` after ``within`` ticks."""
        limit = self.ticks + within
        while not (found := re.compile(pattern).search(self.text, self._read_to)):
            if self.system.ending is not None or self.ticks >= limit:
                why = f"ended ({self.system.ending.text})" if self.system.ending else f"ran {within:,} ticks"
                raise Silent(f"no {pattern!r}: the guest {why}; it last said\n{self.text[-SHOWN:]}")
            self.system.run(min(limit, self.ticks + SLICE_TICKS))
        self._read_to = found.end()
        return found

    def finish(self, within: int = 1_000_000_000) -> Ending:
        """Run until the guest is over."""
        limit = self.ticks + within
        while self.system.ending is None:
            if self.ticks >= limit:
                raise Silent(f"the guest ran {within:,} ticks and is not over; it last said\n{self.text[-SHOWN:]}")
            self.system.run(min(limit, self.ticks + SLICE_TICKS))
        return self.system.ending
