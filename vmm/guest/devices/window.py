"""A device's registers as a table: offset, name, and what a read or a write of it does.

Invariant: the table is complete when the class is made; every access of the bus goes through it, so the same
rows are the documentation, the fuzz target and the only decoder.  A value never has more bits than the
register.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar

from vmm.errors import ConfigError

Action = TypeVar("Action", bound=Callable[..., Any])
Saved = TypeVar("Saved")


@dataclass(frozen=True, slots=True)
class Register:
    """One offset as documentation: what it is called when read and when written (None: cannot be)."""
    offset: int
    read: str | None
    write: str | None


class Window:
    """``@regs.read(0x4)`` and ``@regs.write(0x4)`` fill it, once an offset each.

    ``width`` is the bytes of one register; offsets are multiples of it.  ``count`` and ``step`` make an array
    of registers, whose action is given the index first.  ``pairs``: an aligned access of twice the width is one number,
    whose low half is the first register in either byte order.
    """

    def __init__(self, span: int, width: int = 4, *, pairs: bool = False) -> None:
        self.span = span
        self.width = width
        self._pairs = pairs
        self._ones = (1 << 8 * width) - 1
        self._readers: dict[int, Callable[[Any], int]] = {}
        self._writers: dict[int, Callable[[Any, int], None]] = {}
        self._wide: dict[int, tuple[Callable[[Any, int], int], Callable[[Any, int, int], None]]] = {}
        self._rest: Callable[[Any, int], int] | None = None
        self._rest_writer: Callable[[Any, int, int], None] | None = None

    def read(self, offset: int, *, count: int = 0, step: int = 0) -> Callable[[Action], Action]:
        return self._fill(self._readers, offset, count, step)

    def write(self, offset: int, *, count: int = 0, step: int = 0) -> Callable[[Action], Action]:
        return self._fill(self._writers, offset, count, step)

    def rest_read(self, action: Action) -> Action:
        """``action(offset)`` answers wherever no register does: for windows that show memory."""
        self._rest = action
        return action

    def rest_write(self, action: Action) -> Action:
        self._rest_writer = action
        return action

    def _fill(self, table: dict[int, Any], offset: int, count: int, step: int) -> Callable[[Action], Action]:
        def register(action: Action) -> Action:
            for index in range(count or 1):
                at = offset + index * step
                if at in table or at % self.width or not 0 <= at < self.span:
                    raise ValueError(f"{action.__name__}: offset {at:#x} is taken, not a multiple of the "
                                     f"register width {self.width}, or outside the window of {self.span:#x}")
                table[at] = _indexed(action, index) if count else action
            return action
        return register

    def wide(self, offset: int, load: Callable[[Any, int], int], store: Callable[[Any, int, int], None]) -> None:
        """A port that takes accesses of other sizes than ``width`` whole: ``load(size)``, ``store(size, value)``."""
        self._wide[offset] = load, store

    def is_wide(self, offset: int, size: int = 0) -> bool:
        return offset in self._wide or self._is_pair(offset, size)

    def load_wide(self, device: object, offset: int, size: int) -> int:
        if self._is_pair(offset, size):
            return (self.load(device, offset) or 0) | (self.load(device, offset + self.width) or 0) << 8 * self.width
        return self._wide[offset][0](device, size) & (1 << 8 * size) - 1

    def store_wide(self, device: object, offset: int, size: int, value: int) -> None:
        if self._is_pair(offset, size):
            self.store(device, offset, value & self._ones)
            self.store(device, offset + self.width, value >> 8 * self.width)
        else:
            self._wide[offset][1](device, size, value)

    def _is_pair(self, offset: int, size: int) -> bool:
        return self._pairs and size == 2 * self.width and not offset % size

    def reads(self, offset: int) -> bool:
        return offset in self._readers

    def writes(self, offset: int) -> bool:
        return offset in self._writers

    def load(self, device: object, offset: int) -> int | None:
        """What the device answers, or None where it has no register to read."""
        action = self._readers.get(offset)
        if action is not None:
            return action(device) & self._ones
        return None if self._rest is None else self._rest(device, offset) & self._ones

    def store(self, device: object, offset: int, value: int) -> bool:
        """Whether the device has a register to write here."""
        action = self._writers.get(offset)
        if action is not None:
            action(device, value & self._ones)
        elif self._rest_writer is not None:
            self._rest_writer(device, offset, value & self._ones)
        else:
            return False
        return True

    def __iter__(self) -> Iterator[Register]:
        for offset in sorted(self._readers.keys() | self._writers.keys()):
            read, write = self._readers.get(offset), self._writers.get(offset)
            yield Register(offset, read and read.__name__, write and write.__name__)


def _indexed(action: Callable[..., Any], index: int) -> Callable[..., Any]:
    def call(device: object, *value: int) -> Any:           # Any: an int for a read, nothing for a write
        return action(device, index, *value)
    call.__name__ = f"{action.__name__}{index}"
    return call


class Stateful(Protocol):
    """What a snapshot needs.  ``save`` gives a copy; ``restore`` takes one."""

    def save(self) -> Any: ...                              # Any: each device has a State of its own

    def restore(self, state: Any) -> None: ...


class Device(Stateful, Protocol):
    """What the bus needs of a device besides."""

    @property
    def regs(self) -> Window: ...


# -- state ---------------------------------------------------------------------------------------------------

def bits(width: int, reset: int = 0) -> Any:                # Any: as dataclasses.field itself
    """A State field of so many bits; ``copied`` refuses a snapshot in which it has more."""
    return field(default=reset, metadata={"ones": (1 << width) - 1})


def words(count: int, width: int, reset: int = 0) -> Any:   # Any: as above
    """A State field that is a list of numbers of so many bits."""
    return field(default_factory=lambda: [reset] * count, metadata={"count": count, "ones": (1 << width) - 1})


def at_most(limit: int | None) -> dict[str, int | None]:
    """The metadata of a State field that is a queue of bytes: the most it may hold (None: no limit)."""
    return {"limit": limit}


def copied(state: Saved) -> Saved:
    """A State that shares nothing with this one, after checking that each field holds what its row allows."""
    assert is_dataclass(state) and not isinstance(state, type)
    owner = type(state).__qualname__
    values = {row.name: _checked(owner, row.name, getattr(state, row.name), row.metadata)
              for row in fields(state)}
    return replace(state, **values)


def _checked(owner: str, name: str, value: Any, limits: Any) -> Any:
    if "count" in limits:
        count, ones = limits["count"], limits["ones"]
        good = (isinstance(value, list) and len(value) == count
                and all(type(item) is int and 0 <= item <= ones for item in value))
        want = f"{count} numbers of 0..{ones:#x}"
    elif "ones" in limits:
        good, want = type(value) is int and 0 <= value <= limits["ones"], f"0..{limits['ones']:#x}"
    elif "limit" in limits:
        limit = limits["limit"]
        good = isinstance(value, (bytes, bytearray)) and (limit is None or len(value) <= limit)
        want = "bytes" if limit is None else f"at most {limit} bytes"
    else:
        good, want = isinstance(value, bool), "true or false"
    if not good:
        raise ConfigError(f"snapshot: {owner}.{name} is {value!r:.40}, not {want}; take the snapshot again")
    return bytearray(value) if "limit" in limits else list(value) if "count" in limits else value
