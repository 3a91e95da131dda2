"""The two forms of a 32-bit address.

A debugger of 32-bit programs sends some addresses as 32 bits and some sign-extended to 64; the CPU knows the second
form only.  Invariant: an address of a 64-bit program stands for itself first.
"""
from __future__ import annotations

from vmm.arch.cp0.fields import sign_extended


def forms(address: int, bits: int) -> tuple[int, ...]:
    """What the CPU may call this address, the likeliest first."""
    if address >> 31 != 1:
        return (address,)
    return (sign_extended(address),) if bits == 32 else (address, sign_extended(address))
