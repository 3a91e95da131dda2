"""Simulated RAM without a machine: little-endian bytes from physical address 0 on."""
from __future__ import annotations


class PlainRam:
    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)

    def load(self, pa: int, size: int) -> int:
        return int.from_bytes(self.bytes[pa:pa + size], "little")

    def store(self, pa: int, size: int, value: int) -> None:
        self.bytes[pa:pa + size] = value.to_bytes(size, "little")

    def read(self, pa: int, size: int) -> bytes:
        return bytes(self.bytes[pa:pa + size])

    def window(self, pa: int, size: int) -> memoryview:
        return memoryview(self.bytes)[pa:pa + size]

    def write(self, pa: int, data: bytes) -> None:
        self.bytes[pa:pa + len(data)] = data
