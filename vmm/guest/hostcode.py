"""Everything that a host kernel placed, as one ELF image for a debugger."""
from __future__ import annotations

from typing import Literal

from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment
from vmm.host.kernel.kernel import Kernel


def host_code(kernel: Kernel) -> bytes:
    order: Literal["big", "little"] = "big" if kernel.big_endian else "little"
    segments = [Segment(code.address, b"".join(word.to_bytes(4, order) for word in code.words), 4 * len(code.words))
                for code in kernel.text.code]
    return executable(segments, entry=kernel.text.code[0].address, symbols=kernel.text.symbols, bits=kernel.model.bits,
                      big_endian=kernel.big_endian, release=2 if kernel.model.release < 6 else 6)
