"""Operands of floating point by chance: the ends of the ranges, ties, and numbers that nearly cancel, often enough."""
from __future__ import annotations

from random import Random

from vmm.arch.fp import FORMATS, INTEGER_BITS, OPERATIONS, Fcsr, Format

SPECIAL = 12


def operand(r: Random, letter: str) -> int:
    """A number of a format, by its letter."""
    if letter in INTEGER_BITS:
        width = INTEGER_BITS[letter]
        return r.choice((0, 1, (1 << width) - 1, 1 << width - 1, (1 << width - 1) - 1, r.getrandbits(width),
                         r.getrandbits(r.randrange(1, width + 1)), -r.getrandbits(24) & (1 << width) - 1))
    f = FORMATS[letter]
    return r.getrandbits(1) << f.width - 1 | magnitude(r, f)


def magnitude(r: Random, f: Format) -> int:
    kind, fraction = r.randrange(16), r.getrandbits(f.fraction)
    if kind == 0:
        return r.choice((0, f.infinity, 1, f.infinity - 1, 1 << f.fraction, (1 << f.fraction) - 1))
    if kind == 1:
        return f.infinity | r.choice((0, 1 << f.fraction - 1)) | r.choice((0, 1, fraction))           # NaNs, mostly
    if kind == 2:
        return fraction >> r.randrange(f.fraction)                                                    # denormal
    if kind == 3:
        return r.getrandbits(f.width - 1)
    power = f.bias + r.choice((r.randrange(-2, 3), r.randrange(-f.fraction - 4, f.fraction + 12), r.randrange(24, 66)))
    if kind == 4:
        power = r.choice((0, 1, 2, f.fraction, 2 * f.bias - 1, 2 * f.bias, f.bias // 2, f.bias + f.bias // 2))
    if kind in (5, 6, 7):
        fraction &= r.getrandbits(f.fraction) & r.getrandbits(f.fraction)                             # few bits
    elif kind == 8:
        fraction = (1 << f.fraction) - 1 ^ fraction >> r.randrange(f.fraction)                        # all ones
    elif kind == 9:
        fraction = fraction >> r.randrange(f.fraction) << r.randrange(f.fraction) & (1 << f.fraction) - 1
    return power << f.fraction | fraction


def operands(r: Random, name: str) -> list[int]:
    """For an operation; a fifth of the pairs are almost equal or opposite."""
    operation = OPERATIONS[name]
    found = [operand(r, operation.source) for _ in range(operation.operands)]
    if operation.operands > 1 and r.random() < 0.2:
        width = FORMATS[operation.source].width
        found[1] = (found[0] ^ r.getrandbits(1) << width - 1 ^ r.choice((0, 0, 1, 2, 3)))
    return found


def modes(r: Random) -> int:
    """FCSR: rounding mode, flushing, NaN encoding."""
    return r.randrange(4) | r.choice((0, 0, 0, Fcsr.FS)) | r.choice((0, Fcsr.NAN2008))
