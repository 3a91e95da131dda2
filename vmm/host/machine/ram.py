"""The machine's memory, for those who are not its CPUs: loaders, devices, the host kernel's model, debuggers."""
from __future__ import annotations

from struct import Struct

from vmm.engine.engine import Engine
from vmm.engine.store import Memory

NUMBERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class Ram:
    """Physical memory by address.  Writes drop what was decoded from there."""

    def __init__(self, memory: Memory, engine: Engine, big_endian: bool) -> None:
        self._memory, self._engine = memory, engine
        self._bytes = memory.block.bytes
        self._number = {size: Struct((">" if big_endian else "<") + code) for size, code in NUMBERS.items()}
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

    def window(self, physical: int, size: int) -> memoryview:
        """A view of the bytes, for who comes again and again; to be written only where nobody executes anything."""
        offset = self._offset(physical, size)
        return self._bytes[offset:offset + size]

    def write(self, physical: int, data: bytes) -> None:
        offset = self._offset(physical, len(data))
        self._memory.block.bytes[offset:offset + len(data)] = data
        self._engine.code_changed(offset, len(data))

    def load(self, physical: int, size: int) -> int:
        """A number in the machine's byte order."""
        number: int = self._number[size].unpack_from(self._bytes, self._offset(physical, size))[0]
        return number

    def store(self, physical: int, size: int, value: int) -> None:
        offset = self._offset(physical, size)
        self._number[size].pack_into(self._bytes, offset, value & (1 << 8 * size) - 1)
        self._engine.code_changed(offset, size)
