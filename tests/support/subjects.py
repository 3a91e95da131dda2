"""What each instruction of floating point and of MSA's arithmetic is to compute: from its name to a judge.

A *subject* is one instruction: the letters of the numbers it takes and gives, how lanes are paired, and ``judge``, a
function that makes the judge of one lane for given modes.  A judge gives ``(encoding, flags)``.
(MD00087 and MD00866, chapter 3)
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.support.exact import INFINITE, TINY, Exact, I, Modes, Operand, Result, V, Z
from tests.support.exact_integers import judged, signed
from vmm.arch.fp import DOUBLE, DOWN, NEAREST, SINGLE, TO_ZERO, UP, Format

HALF = Format("h", 16, 10)
FORMATS = {"s": SINGLE, "d": DOUBLE, "h": HALF}
INTEGER_BITS = {"w": 32, "l": 64, "q": 16, "i": 32, "j": 64, "B": 8, "H": 16, "W": 32, "D": 64}
"""Letters of integers: w and l of coprocessor 1, q a short fraction, i and j powers of two, B to D any lanes."""
STATIC = {"round": NEAREST, "trunc": TO_ZERO, "ceil": UP, "floor": DOWN}
PREDICATES = ("af", "un", "eq", "ueq", "lt", "ult", "le", "ule")
OLDER = ("f", "un", "eq", "ueq", "olt", "ult", "ole", "ule", "sf", "ngle", "seq", "ngl", "lt", "nge", "le", "ngt")
NEGATED = {"or": 1, "une": 2, "ne": 3}
SIMPLE = {"add": 2, "sub": 2, "mul": 2, "div": 2, "sqrt": 1, "recip": 1, "rsqrt": 1, "rint": 1}
"""Operations that ``Exact`` has by this name, and their operands."""
UNFUSED = {"madd": (False, False), "msub": (True, False), "nmadd": (False, True), "nmsub": (True, True)}
EXTREMES = {"min": (False, False), "max": (True, False), "mina": (False, True), "maxa": (True, True)}
FUSED = {"maddf": False, "msubf": True}
MSA_NAMES = {"fadd": "add", "fsub": "sub", "fmul": "mul", "fdiv": "div", "fsqrt": "sqrt", "frcp": "recip",
             "frsqrt": "rsqrt", "frint": "rint", "fmadd": "maddf", "fmsub": "msubf", "fmin": "min", "fmax": "max",
             "fmin_a": "mina", "fmax_a": "maxa"}
Judge = Callable[..., Result]
Columns = Sequence[Sequence[int]]


def bits_of(letter: str) -> int:
    return FORMATS[letter].width if letter in FORMATS else INTEGER_BITS[letter]


def side_by_side(columns: Columns, lanes: int) -> list[tuple[int, ...]]:
    return list(zip(*columns, strict=True))


def left_then_right(columns: Columns, lanes: int) -> list[tuple[int, ...]]:
    """Narrowing: the lanes of wt on the right, which is below, those of ws on the left."""
    s, t = columns
    return [(x,) for n in range(0, len(s), lanes) for part in (t, s) for x in part[n:n + lanes]]


def upper_half(columns: Columns, lanes: int) -> list[tuple[int, ...]]:
    return [(x,) for n in range(0, len(columns[0]), lanes) for x in columns[0][n + lanes // 2:n + lanes]]


def lower_half(columns: Columns, lanes: int) -> list[tuple[int, ...]]:
    return [(x,) for n in range(0, len(columns[0]), lanes) for x in columns[0][n:n + lanes // 2]]


@dataclass(frozen=True)
class Subject:
    """``operands``: letters of ws, wt, wd, or of a, b, c; ``kind`` names the shape of operands that are hard for it;
    ``condition``: the result is a condition code; ``immediate``: the width of a field that stands for wt."""
    name: str
    unit: str
    operands: str
    result: str
    kind: str
    judge: Callable[[Modes], Judge]
    arrange: Callable[[Columns, int], list[tuple[int, ...]]] = side_by_side
    condition: bool = False
    immediate: int = 0

    @property
    def is_integer(self) -> bool:
        return self.kind == "integer"

    @property
    def alone(self) -> bool:
        """One operand a lane, of more than 16 bits: there is nothing to combine it with."""
        return (len(self.operands) == 1 or self.arrange is left_then_right) and bits_of(self.operands[0]) > 16


class Known(dict[int, Operand]):
    """Operands taken apart, for as long as they are few."""

    def __init__(self, exact: Exact) -> None:
        super().__init__()
        self.exact = exact

    def __missing__(self, bits: int) -> Operand:
        if len(self) > 20_000:
            self.clear()
        self[bits] = found = self.exact.read(bits)
        return found


def reading(exact: Exact, function: Callable[..., Result], operands: int) -> Judge:
    """The function on encodings; what reading them raises is raised."""
    known = Known(exact)

    def one(a: int) -> Result:
        x = known[a]
        bits, flags = function(x)
        return bits, flags | x.flags

    def two(a: int, b: int) -> Result:
        x, y = known[a], known[b]
        bits, flags = function(x, y)
        return bits, flags | x.flags | y.flags

    def three(a: int, b: int, c: int) -> Result:
        x, y, z = known[a], known[b], known[c]
        bits, flags = function(x, y, z)
        return bits, flags | x.flags | y.flags | z.flags
    return (one, two, three)[operands - 1]


def within(kind: str, letter: str, modes: Modes) -> Judge:
    """An operation in one format, by coprocessor 1's name."""
    e = Exact(FORMATS[letter], modes)
    if kind in SIMPLE:
        return reading(e, getattr(e, kind), SIMPLE[kind])
    if kind in UNFUSED:
        subtract, negate = UNFUSED[kind]
        return reading(e, lambda x, y, z: e.unfused(x, y, z, subtract, negate), 3)
    if kind in FUSED:
        return reading(e, lambda x, y, z: e.fused(x, y, z, FUSED[kind]), 3)
    if kind in EXTREMES:
        largest, magnitude = EXTREMES[kind]
        return reading(e, lambda x, y: e.extreme(x, y, largest, magnitude), 2)
    if kind == "class":
        return lambda a: (e.classified(a), 0)
    if kind in ("abs", "neg"):
        if modes.nan2008:                                      # ABS2008 goes with it
            return lambda a: ((a ^ e.sign if kind == "neg" else a & ~e.sign), 0)
        return reading(e, lambda x: e.turned(x, kind == "neg"), 1)
    raise KeyError(kind)


def converting(kind: str, source: str, to: str, modes: Modes) -> Judge:
    if source in INTEGER_BITS:
        e = Exact(FORMATS[to], modes)
        return lambda a: e.from_integer(signed(a, INTEGER_BITS[source]))
    e = Exact(FORMATS[source], modes)
    if to in INTEGER_BITS:
        return reading(e, lambda x: e.to_integer(x, INTEGER_BITS[to], STATIC.get(kind, modes.mode)), 1)
    target = Exact(FORMATS[to], modes)
    return reading(e, lambda x: target.from_format(e, x), 1)


def comparing(relations: int, signalling: bool, negated: bool, letter: str, true: int, modes: Modes) -> Judge:
    e = Exact(FORMATS[letter], modes)

    def holds(x: Operand, y: Operand) -> Result:
        relation, flags = e.relation(x, y, signalling)
        return (0 if bool(relation & relations) == negated else true), flags
    return reading(e, holds, 2)


# -- coprocessor 1 --------------------------------------------------------------------------------------------------------
def fpu_subject(name: str) -> Subject:
    """add.s, cvt.w.d, c.eq.s, cmp.sun.d, add.ps, ..."""
    kind, middle, letter = (name.split(".") if name.count(".") == 2 else [name.split(".")[0], "", name.split(".")[1]])
    unit = "paired" if letter == "ps" else "fpu"
    letter = "s" if letter == "ps" else letter
    if kind == "c":
        number = OLDER.index(middle)
        judge = partial(comparing, number & 7, bool(number & 8), False, letter, 1)
        return Subject(name, unit, letter * 2, letter, "sum", judge, condition=True)
    if kind == "cmp":
        signalling = middle.startswith("s")
        predicate = middle[signalling:]
        relations = NEGATED.get(predicate) or PREDICATES.index(predicate)
        true = (1 << bits_of(letter)) - 1
        return Subject(name, unit, letter * 2, letter, "sum",
                       partial(comparing, relations, signalling, predicate in NEGATED, letter, true))
    if middle:
        return Subject(name, unit, letter, middle, f"to {middle}", partial(converting, kind, letter, middle))
    count = SIMPLE.get(kind) or (3 if kind in UNFUSED or kind in FUSED else 2 if kind in EXTREMES else 1)
    return Subject(name, unit, letter * count, letter, SHAPES.get(kind, ""), partial(within, kind, letter))


SHAPES = {"add": "sum", "sub": "sum", "min": "sum", "max": "sum", "mina": "sum", "maxa": "sum", "mul": "product",
          "div": "quotient", "sqrt": "root", "rint": "to w",
          **dict.fromkeys((*UNFUSED, *FUSED), "fused")}


# -- MSA ------------------------------------------------------------------------------------------------------------------
def msa_subject(name: str, immediate: int = 0) -> Subject:
    base, _, df = name.rpartition(".")
    if base in CONVERTING:
        return CONVERTING[base](name, df)
    if base[0] != "f" or base == "fill":
        lanes = {"b": "B", "h": "H", "w": "W", "d": "D", "v": "D"}[df]
        judge = partial(integer, name, bits_of(lanes))
        return Subject(name, "msa", lanes * 3, lanes, "integer", lambda modes: judge, immediate=immediate)
    f = {"w": "s", "d": "d"}[df]
    if base in MSA_NAMES:
        kind = MSA_NAMES[base]
        judge = partial(approximate if kind in ("recip", "rsqrt") else within, kind, f)
        count = SIMPLE.get(kind) or (3 if kind in FUSED else 2)
        return Subject(name, "msa", f * count, f, SHAPES.get(kind, ""), judge)
    if base == "fclass":
        return Subject(name, "msa", f, f, "", partial(within, "class", f))
    signalling, predicate = base[1] == "s", base[2:]
    relations = NEGATED.get(predicate) or PREDICATES.index(predicate)
    return Subject(name, "msa", f * 2, f, "sum", partial(silently, relations, signalling, predicate in NEGATED, f))


def integer(name: str, width: int, s: int, t: int, d: int) -> Result:
    return judged(name, width, s, t, d), 0


def approximate(kind: str, letter: str, modes: Modes) -> Judge:
    """A reciprocal is inexact and nothing else, unless it is invalid, a division by zero, of infinity or of a NaN."""
    e = Exact(FORMATS[letter], modes)

    def judge(x: Operand) -> Result:
        bits, flags = e.recip(x) if kind == "recip" else e.rsqrt(x)
        return bits, flags if x.kind >= INFINITE or flags & (V | Z) else I
    known = Known(e)
    return lambda a: (lambda found, x: (found[0], found[1] | x.flags))(judge(known[a]), known[a])


def silently(relations: int, signalling: bool, negated: bool, letter: str, modes: Modes) -> Judge:
    """A comparison of denormals that were flushed is not inexact."""
    judge = comparing(relations, signalling, negated, letter, (1 << bits_of(letter)) - 1, modes)

    def quiet(a: int, b: int) -> Result:
        bits, flags = judge(a, b)
        return bits, flags & ~I
    return quiet


def to_lanes(name: str, df: str, unsigned: bool, truncated: bool) -> Subject:
    f, to = {"w": ("s", "w"), "d": ("d", "l")}[df]

    def make(modes: Modes) -> Judge:
        e = Exact(FORMATS[f], modes)
        return reading(e, lambda x: e.to_integer(x, bits_of(to), TO_ZERO if truncated else modes.mode, unsigned), 1)
    return Subject(name, "msa", f, to, f"to {to}", make)


def from_lanes(name: str, df: str, unsigned: bool) -> Subject:
    f, source = {"w": ("s", "w"), "d": ("d", "l")}[df]

    def make(modes: Modes) -> Judge:
        e = Exact(FORMATS[f], modes)
        return lambda a: e.from_integer(a if unsigned else signed(a, bits_of(source)))
    return Subject(name, "msa", source, f, f"to {f}", make)


def exponent_down(name: str, df: str) -> Subject:
    source, to = {"h": ("s", "h"), "w": ("d", "s")}[df]
    return Subject(name, "msa", source * 2, to, f"to {to}", partial(converting, "cvt", source, to), left_then_right)


def exponent_up(name: str, df: str) -> Subject:
    source, to = {"w": ("h", "s"), "d": ("s", "d")}[df]
    return Subject(name, "msa", source, to, "", partial(converting, "cvt", source, to),
                   upper_half if "upl" in name else lower_half)


def to_fixed(name: str, df: str) -> Subject:
    source, to = {"h": ("s", "q"), "w": ("d", "w")}[df]

    def make(modes: Modes) -> Judge:
        e = Exact(FORMATS[source], modes)
        return reading(e, lambda x: e.to_fixed(x, bits_of(to)), 1)
    return Subject(name, "msa", source * 2, to, "to fixed", make, left_then_right)


def from_fixed(name: str, df: str) -> Subject:
    source, to = {"w": ("q", "s"), "d": ("w", "d")}[df]

    def make(modes: Modes) -> Judge:
        e, width = Exact(FORMATS[to], modes), bits_of(source)
        return lambda a: e.from_integer(signed(a, width), width - 1)
    return Subject(name, "msa", source, to, "", make, upper_half if "ql" in name else lower_half)


def scaled(name: str, df: str) -> Subject:
    f, power = {"w": ("s", "i"), "d": ("d", "j")}[df]

    def make(modes: Modes) -> Judge:
        e = Exact(FORMATS[f], modes)
        known = Known(e)

        def judge(a: int, b: int) -> Result:
            x = known[a]
            bits, flags = e.scaled(x, signed(b, bits_of(power)))
            return bits, flags | x.flags
        return judge
    return Subject(name, "msa", f + power, f, "", make)


def logarithm(name: str, df: str) -> Subject:
    f = {"w": "s", "d": "d"}[df]

    def make(modes: Modes) -> Judge:
        e = Exact(FORMATS[f], modes)
        return reading(e, e.exponent, 1)
    return Subject(name, "msa", f, f, "", make)


CONVERTING: dict[str, Callable[[str, str], Subject]] = {
    **{f"f{how}_{sign}": partial(to_lanes, unsigned=sign == "u", truncated=how == "trunc")
       for how in ("tint", "trunc") for sign in "su"},
    **{f"ffint_{sign}": partial(from_lanes, unsigned=sign == "u") for sign in "su"},
    "fexdo": exponent_down, "fexupl": exponent_up, "fexupr": exponent_up, "ftq": to_fixed, "ffql": from_fixed,
    "ffqr": from_fixed, "fexp2": scaled, "flog2": logarithm,
}


def cause_of(flags: int, enables: int = 0) -> int:
    """Tiny is underflow if it is inexact, or if underflow traps."""
    return flags & 63 | (2 if flags & TINY and enables & 2 else 0)


