"""How firmware hands the machine to a kernel: YAMON's convention, which Malta kernels expect, or UHI with a device tree.

YAMON: a0 = argc, a1 = argv, a2 = envp (name, value, name, value, NULL), a3 = bytes of low memory.  Pointers are
32-bit words in the guest's byte order, to kseg0.  UHI: a0 = -2, a1 = the device tree, in which memory, command line and
initial RAM disk are filled in.  A pure function: what to write where, and the registers to start with.
(YAMON user's manual, MD00008; Unified Hosting Interface, MD01069)
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, NamedTuple

from vmm.errors import ConfigError
from vmm.guest import fdt
from vmm.guest.board import KIB, MALTA, Board, show_size
from vmm.guest.image import Image
from vmm.guest.placement import Mode, Placed, place, unmapped_address

A0, A1, A2, A3, SP = 4, 5, 6, 7, 29

UHI = (1 << 64) - 2                                         # in a0: a1 is a device tree

TABLES = 0x2000                                             # YAMON's place, unless the image is there
STACK, FIRST_FRAME = 4 * KIB, 0x40                          # the stack is the page below the tables
INITRD_ALIGNMENT = 64 * KIB                                 # the largest page a kernel may use
ABOVE_INITRD = 128 * KIB                                    # kernels put their boot-time memory map behind it


@dataclass(frozen=True, slots=True)
class BootRequest:
    image: Image
    mode: Mode
    ram_size: int
    command_line: str = ""
    initrd: bytes = b""
    board: Board = MALTA
    dtb: bytes = b""                                        # boot by UHI with this device tree


class Boot(NamedTuple):
    """``writes``: (physical address, bytes), to RAM that is zero.  ``registers``: number -> 64-bit value."""
    writes: list[tuple[int, bytes]]
    registers: dict[int, int]
    pc: int


def boot(request: BootRequest) -> Boot:
    """Everything: the image's segments, the initrd, the tables or the device tree, the registers."""
    placed = place(request.image, request.ram_size, request.mode, request.board)
    tables = uhi(request, placed) if request.dtb else yamon(request, placed)
    segments = [(piece.physical, piece.data) for piece in placed if piece.data]
    return tables._replace(writes=segments + tables.writes)


def yamon(request: BootRequest, placed: Iterable[Placed]) -> Boot:
    """The firmware's part alone: ``placed`` says which memory is taken."""
    board, mode, ram_size = request.board, request.mode, request.ram_size
    low = board.low_ram(ram_size)
    taken = sorted((piece.physical, piece.end) for piece in placed if piece.physical < low)
    writes: list[tuple[int, bytes]] = []
    ceiling, line = low, request.command_line
    if request.initrd:
        ceiling = _initrd_base(request, taken, low)
        writes.append((ceiling, request.initrd))
        start = unmapped_address(ceiling, mode) & (1 << request.image.bits) - 1
        line = f"rd_start={start:#x} rd_size={len(request.initrd)} {line}".rstrip()
    arguments = [PurePath(request.image.path).name, line]
    environment = ["memsize", str(low), "ememsize", str(ram_size), "modetty0", "38400n8r"]
    strings = [_c_string(text) for text in arguments + environment]
    at = _table_base(strings, taken, ceiling)
    argv = unmapped_address(at, mode)
    writes.append((at, _tables(strings, len(arguments), argv, request.image.endian)))
    envp = argv + 4 * (len(arguments) + 1)
    registers = {A0: len(arguments), A1: argv, A2: envp, A3: low, SP: argv - FIRST_FRAME}
    return Boot(writes, registers, request.image.entry)


def uhi(request: BootRequest, placed: Iterable[Placed]) -> Boot:
    """The same with a device tree, which lies right below the initrd."""
    board, mode, ram_size = request.board, request.mode, request.ram_size
    if not board.takes_dtb:
        raise ConfigError(f"--dtb: board '{board.name}' has no way to pass a device tree; leave it out")
    ceiling = low = board.low_ram(ram_size)
    taken = sorted((piece.physical, piece.end) for piece in placed if piece.physical < low)
    writes: list[tuple[int, bytes]] = []
    initrd: tuple[int, int] | None = None
    if request.initrd:
        ceiling = _initrd_base(request, taken, low)
        writes.append((ceiling, request.initrd))
        initrd = ceiling, ceiling + len(request.initrd)
    tree = fdt.parse("--dtb", request.dtb)
    fdt.set_memory(tree, board.memory(ram_size))
    fdt.set_chosen(tree, _c_string(request.command_line), initrd)
    blob = fdt.build(tree)
    at = ceiling - len(blob) & -INITRD_ALIGNMENT
    if at < STACK or not _free(at - STACK, at + len(blob), taken):
        raise ConfigError(f"the device tree of {len(blob)} bytes has no room between the image and physical {ceiling:#x}; "
                          "give more memory with -m")
    writes.append((at, blob))
    pointer = unmapped_address(at, mode)
    return Boot(writes, {A0: UHI, A1: pointer, A2: 0, A3: 0, SP: pointer - FIRST_FRAME}, request.image.entry)


def _c_string(text: str) -> bytes:
    if "\0" in text:
        raise ConfigError(f"command line {text!r:.60} has a NUL character, which ends a C string; remove it")
    return text.encode("utf-8", "surrogateescape") + b"\0"


def _pointer_count(strings: list[bytes]) -> int:
    return len(strings) + 2                                 # argv and envp each end with NULL


def _tables(strings: list[bytes], argc: int, base: int, endian: str) -> bytes:
    """argv, NULL, envp, NULL, then the strings themselves."""
    order: Literal["big", "little"] = "big" if endian == "big" else "little"
    pointers: list[int] = []
    at = base + 4 * _pointer_count(strings)
    for number, text in enumerate(strings):
        if number == argc:
            pointers.append(0)
        pointers.append(at)
        at += len(text)
    pointers.append(0)
    return b"".join((pointer & 0xFFFF_FFFF).to_bytes(4, order) for pointer in pointers) + b"".join(strings)


def _table_base(strings: list[bytes], taken: list[tuple[int, int]], ceiling: int) -> int:
    """YAMON's place, or, for an image that is linked there, the top of what is free."""
    size = 4 * _pointer_count(strings) + sum(map(len, strings))
    for base in (TABLES, (ceiling - size) & -STACK):
        if STACK <= base and base + size <= ceiling and _free(base - STACK, base + size, taken):
            return base
    raise ConfigError(f"the argument tables ({size} bytes and a stack of {STACK}) have no room beside the "
                      "image; give more memory with -m or a shorter command line")


def _free(start: int, end: int, taken: list[tuple[int, int]]) -> bool:
    return all(end <= low or high <= start for low, high in taken)


def _initrd_base(request: BootRequest, taken: list[tuple[int, int]], low: int) -> int:
    """As high as it goes: a compressed kernel unpacks itself to an address only it knows, which is low."""
    size = len(request.initrd)
    base = (low - ABOVE_INITRD - size) & -INITRD_ALIGNMENT
    floor = max((end for _, end in taken), default=0)
    if base < floor:
        raise ConfigError(f"initrd of {size} bytes does not fit between the image's end at physical "
                          f"{floor:#x} and the end of low memory at {low:#x} (-m "
                          f"{show_size(request.ram_size)}); give more memory with -m or a smaller initrd")
    return base
