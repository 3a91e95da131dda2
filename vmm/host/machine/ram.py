"""The machine's memory, for those who are not its CPUs: loaders, devices, the host kernel's model, debuggers."""
from __future__ import annotations

from vmm.engine.engine import Engine
from vmm.engine.store import Memory


class Ram:
    """Physical memory by address.  Writes drop what was decoded from there."""

    def __init__(self, memory: Memory, engine: Engine, big_endian: bool) -> None:
        self._memory, self._engine = memory, engine
        self._order = "big" if big_endian else "little"
        self.size = memory.size

    def _offset(self, physical: int, size: int) -> int:
        offset = self._memory.offset_of(physical, size)
        if offset is None:
            raise IndexError(f"physical {physical:#x}+{size:#x} is not memory")
        return offset

    def has(self, physical: int, size: int = 1) -> bool:
        return self._memory.offset_of(physical, size) is not None

    def read(self, physical: int, size: int) -> bytes:
        offset = self._offset(physical, size)
        return bytes(self._memory.block.bytes[offset:offset + size])

    def write(self, physical: int, data: bytes) -> None:
        offset = self._offset(physical, len(data))
        self._memory.block.bytes[offset:offset + len(data)] = data
        self._engine.code_changed(offset, len(data))

    def load(self, physical: int, size: int) -> int:
        """A number in the machine's byte order."""
        return int.from_bytes(self.read(physical, size), self._order)  # type: ignore[arg-type]

    def store(self, physical: int, size: int, value: int) -> None:
        self.write(physical, (value & (1 << 8 * size) - 1).to_bytes(size, self._order))  # type: ignore[arg-type]
