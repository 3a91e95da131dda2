"""One raw ROM on QEMU's Malta board and on our machine; what it prints on the board's own UART, from both.

A ROM runs from the reset vector, writes bytes to the UART at physical 1F000900 and ends with a store to 1F000500.
Development only: nothing in the package needs QEMU.
"""
from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from vmm.arch.models import find_model
from vmm.arch.stops import Stop
from vmm.host.machine import Machine, Piece

RAM_BYTES = 256 << 20
ROM_BYTES = 4 << 20
ROM_AT = 0x1FC0_0000
UART, LINE_STATUS = 0x1F00_0900, 0x1F00_0928
RESET = 0x1F00_0500
TRANSMITTER_EMPTY = 0x60
LIMIT_TICKS = 400_000_000


def program_name(bits: int, big_endian: bool) -> str:
    return "qemu-system-mips" + ("64" if bits == 64 else "") + ("" if big_endian else "el")


def has_qemu(bits: int = 32, big_endian: bool = False) -> bool:
    return shutil.which(program_name(bits, big_endian)) is not None


def on_qemu(words: list[int], cpu: str, bits: int, big_endian: bool, seconds: float = 120) -> bytes:
    """QEMU takes the ROM file as big-endian words whatever the byte order."""
    with tempfile.TemporaryDirectory() as folder:
        rom, out = Path(folder, "rom"), Path(folder, "out")
        rom.write_bytes(b"".join(word.to_bytes(4, "big") for word in words))
        subprocess.run([program_name(bits, big_endian), "-M", "malta", "-cpu", cpu, "-m", str(RAM_BYTES >> 20),
                        "-bios", str(rom), "-display", "none", "-vga", "none", "-monitor", "none",
                        "-serial", "null", "-serial", "null",
                        "-serial", f"file:{out}", "-no-reboot", "-net", "none"],
                       timeout=seconds, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        return out.read_bytes()


def on_ours(words: list[int], cpu: str, big_endian: bool, engine: str = "native") -> bytes:
    order = "big" if big_endian else "little"
    pieces = (Piece(0, RAM_BYTES, 0), Piece(ROM_AT, ROM_BYTES, RAM_BYTES, True))
    machine = Machine(find_model(cpu), 1, RAM_BYTES + ROM_BYTES, big_endian, engine, pieces)
    code = b"".join(word.to_bytes(4, order) for word in words)  # type: ignore[arg-type]
    machine.memory.block.bytes[RAM_BYTES:RAM_BYTES + len(code)] = code
    core, printed = machine.cpus[0], bytearray()
    while True:
        stop = core.run(LIMIT_TICKS)
        address = core.state.stop_address
        if stop is Stop.LOAD and address == LINE_STATUS:
            core.complete_load(TRANSMITTER_EMPTY)
        elif stop is Stop.STORE and address == UART:
            printed.append(core.state.stop_value & 0xFF)
            core.complete_store()
        elif stop is Stop.STORE and address == RESET:
            return bytes(printed)
        elif stop in (Stop.LOAD, Stop.STORE):
            core.bus_error()
        else:
            raise AssertionError(f"our machine ended with {stop!r} at pc {core.pc:#x}, {len(printed)} bytes printed")
