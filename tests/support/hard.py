"""Columns of operands by chance for an operation, a quarter of them made to be hard for it.

Ties and all but ties, sums that cancel, quotients and roots beside the middle of two numbers, the ends of the range.
"""
from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.support.exact import NUMBER, Exact, Modes
from tests.support.floats import magnitude, operand
from tests.support.subjects import FORMATS, INTEGER_BITS, Subject, bits_of

POOL = 4096
"""Numbers of one letter that operations of more than one operand combine."""
Columns = list[list[int]]
EXACT = {letter: Exact(f, Modes()) for letter, f in FORMATS.items()}


def number(r: Random, letter: str) -> int:
    if letter in FORMATS:
        f = FORMATS[letter]
        return r.getrandbits(1) << f.width - 1 | magnitude(r, f) & (1 << f.width - 1) - 1
    width = INTEGER_BITS[letter]
    mask = (1 << width) - 1
    if letter in "ij":
        f = FORMATS["s" if letter == "i" else "d"]
        return r.choice((r.randrange(-4, 5), r.randrange(-3 * f.bias, 3 * f.bias), r.getrandbits(width))) & mask
    if letter in "wl":
        return operand(r, letter)
    return r.choice((r.getrandbits(width), r.getrandbits(width), r.getrandbits(r.randrange(1, width + 1)),
                     -r.getrandbits(4) & mask, 1 << width - 1, (1 << width - 1) - 1, r.getrandbits(4), mask))


def tame(r: Random, letter: str) -> int:
    """A number that neither is special nor soon makes one: the host's vector unit is left alone with such."""
    if letter not in FORMATS:
        return number(r, letter)
    f = FORMATS[letter]
    fraction = r.getrandbits(f.fraction) & r.choice((-1, -1, r.getrandbits(f.fraction), -1 << f.fraction // 2))
    power = f.bias + r.randrange(-f.fraction // 2 - 2, f.fraction // 2 + 3)
    return r.getrandbits(1) << f.width - 1 | power << f.fraction | fraction & (1 << f.fraction) - 1


class Pools:
    """Numbers by their letter, drawn once for many columns."""

    def __init__(self, r: Random, draw: Callable[[Random, str], int]) -> None:
        self._r, self._draw = r, draw
        self._pools: dict[str, list[int]] = {}

    def drawn(self, letter: str, count: int) -> list[int]:
        return [self._draw(self._r, letter) for _ in range(count)]

    def combined(self, letter: str, count: int) -> list[int]:
        if letter not in self._pools:
            self._pools[letter] = self.drawn(letter, POOL)
        return self._r.choices(self._pools[letter], k=count)


# -- hard operands ------------------------------------------------------------------------------------------------------
def odd(r: Random, bits: int) -> int:
    """An odd number of exactly so many bits."""
    return r.getrandbits(bits) | 1 | 1 << bits - 1


def exponent(r: Random, letter: str, bits: int) -> int:
    """For a significand of so many bits: middling, or where the least numbers are, or the largest."""
    f = FORMATS[letter]
    return r.choice((r.randrange(-9, 10), r.randrange(-9, 10), 1 - f.bias - r.randrange(f.fraction + 3),
                     f.bias - r.randrange(3))) - bits + 1


def sign(r: Random) -> int:
    return r.choice((1, -1))


def nearly_equal(r: Random, f: str, columns: Columns, at: int) -> None:
    width = bits_of(f)
    columns[1][at] = columns[0][at] ^ r.getrandbits(1) << width - 1 ^ r.choice((0, 0, 1, 2, 3))


def tied_product(r: Random, f: str, columns: Columns, at: int) -> None:
    """Two odd numbers whose product has a bit more than the precision, or two."""
    exact = EXACT[f]
    bits = r.randrange(2, exact.precision)
    total = exponent(r, f, exact.precision)
    e = r.randrange(-5, 6) - bits
    columns[0][at] = exact.rounded(sign(r) * odd(r, bits), e)[0]
    columns[1][at] = exact.rounded(sign(r) * odd(r, exact.precision + 1 - bits), total - e)[0]


def middling_quotient(r: Random, f: str, columns: Columns, at: int) -> None:
    """A dividend next to divisor times a number in the middle of two."""
    exact = EXACT[f]
    middle, divisor = odd(r, exact.precision + 1), odd(r, exact.precision)
    e = r.randrange(-9, 10)
    columns[0][at] = exact.rounded(sign(r) * middle * divisor, exponent(r, f, 2 * exact.precision) + e)[0]
    columns[1][at] = exact.rounded(sign(r) * divisor, e - exact.precision)[0]


def middling_root(r: Random, f: str, columns: Columns, at: int) -> None:
    exact = EXACT[f]
    middle = odd(r, exact.precision + r.choice((0, 1, 1)))
    columns[0][at] = exact.rounded(middle * middle, 2 * r.randrange(-40, 20))[0]


def hard_sum_of_product(r: Random, f: str, columns: Columns, at: int) -> None:
    exact, shape = EXACT[f], r.randrange(4)
    if shape == 0:                                             # a product with a tie, and something small or nothing
        tied_product(r, f, columns, at)
        columns[2][at] = r.choice((0, 1, exact.sign, exact.sign | 1, exact.rounded(sign(r), -exact.f.bias // 2)[0]))
        return
    if shape == 1:                                             # half of the last place of the third operand
        e = r.randrange(-9, 10)
        columns[2][at] = exact.rounded(sign(r) * r.choice((odd(r, exact.precision), 1 << exact.precision - 1)), e)[0]
        columns[0][at] = exact.rounded(sign(r), e - 1 - r.randrange(3))[0] ^ r.choice((0, 0, 1))
        columns[1][at] = exact.rounded(1, r.randrange(3))[0]
        return
    x, y = exact.read(columns[0][at]), exact.read(columns[1][at])
    if x.kind == y.kind == NUMBER:                             # the product itself, or almost, to cancel
        columns[2][at] = exact.mul(x, y)[0] ^ exact.sign * r.getrandbits(1) ^ r.choice((0, 0, 1, 2))


def between_integers(r: Random, f: str, columns: Columns, at: int, point: int, width: int) -> None:
    """Halves of the last place and their neighbours, and the ends of the range."""
    exact = EXACT[f]
    if r.random() < 0.4:
        n = (1 << width - 1 + r.getrandbits(1)) * 4 + r.randrange(-9, 10)
    else:
        n = odd(r, r.randrange(2, min(width, exact.precision - 2) + 3))
    column = columns[r.randrange(len(columns))]
    column[at] = exact.rounded(sign(r) * n, -r.randrange(1, 3) - point)[0] ^ r.choice((0, 0, 0, 1))


def between_numbers(r: Random, source: str, to: str, columns: Columns, at: int) -> None:
    """A tie of the narrower format, or almost, at either end of its range."""
    exact, n = EXACT[to], odd(r, EXACT[to].precision + 1)
    column = columns[r.randrange(len(columns))]
    if source in FORMATS:
        column[at] = EXACT[source].rounded(sign(r) * n, exponent(r, to, exact.precision + 1))[0] ^ r.choice((0, 0, 1))
    elif INTEGER_BITS[source] > exact.precision + 1:
        n = n << r.randrange(INTEGER_BITS[source] - exact.precision - 1)
        column[at] = sign(r) * (n + r.choice((0, 0, 1, -1))) & (1 << INTEGER_BITS[source]) - 1


def harden(r: Random, subject: Subject, columns: Columns, at: int) -> None:
    """Replace one case by a hard one of the subject's kind."""
    source, to = subject.operands[0], subject.result
    match subject.kind:
        case "sum":
            nearly_equal(r, source, columns, at)
        case "product":
            tied_product(r, source, columns, at)
        case "quotient":
            middling_quotient(r, source, columns, at)
        case "root":
            middling_root(r, source, columns, at)
        case "fused":
            hard_sum_of_product(r, source, columns, at)
        case "to w" | "to l":
            between_integers(r, source, columns, at, 0, bits_of(to))
        case "to fixed":
            between_integers(r, source, columns, at, bits_of(to) - 1, bits_of(to))
        case "to s" | "to d" | "to h":
            between_numbers(r, source, to, columns, at)


def columns_of(pools: Pools, r: Random, subject: Subject, count: int) -> Columns:
    column = pools.drawn if subject.alone else pools.combined
    columns = [column(letter, count) for letter in subject.operands]
    if subject.kind not in ("", "integer"):
        for at in r.sample(range(count), count // 4):
            harden(r, subject, columns, at)
    return columns
