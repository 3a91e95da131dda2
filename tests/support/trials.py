"""An instruction on the native engine against its judge, under every combination of modes in turn."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import product, starmap
from operator import or_
from random import Random

from tests.support.bulk import AT_ONCE, CONDITIONS, Bulk, Control, accumulates, has_legacy_nans, immediate_of, subjects
from tests.support.exact import Modes
from tests.support.hard import Pools, columns_of, number, tame
from tests.support.subjects import FORMATS, Judge, Subject, bits_of, cause_of
from vmm.arch.fp import Fcsr

POOLED = 64
"""Batches between two drawings of the pools."""
SAME = 3
"""Batches in a row that have the same modes; or, where operands are not combined, the same operands."""


@dataclass(frozen=True)
class Mismatch:
    name: str
    modes: str
    operands: tuple[int, ...]
    expected: tuple[int, int]
    found: tuple[int, int]

    def __str__(self) -> str:
        given = " ".join(f"{x:#x}" for x in self.operands)
        (result, control), (ours, control_is) = self.expected, self.found
        return (f"{self.name} {given} [{self.modes}]: expected {result:#x}, control {control:#x}; "
                f"got {ours:#x}, control {control_is:#x}")


def controls_of(r: Random, subject: Subject) -> list[Control]:
    """Rounding modes, flushing, NaN encodings, each without Enables and with some; MSA's with NX and without."""
    if subject.is_integer:
        return [Control(Modes())]
    both = (False, True)
    found = [Modes(*row) for row in product(range(4), both, both if has_legacy_nans(subject) else (True,))]
    quiet = (False, True) if subject.unit == "msa" else (False,)
    return [control for modes in found
            for control in (Control(modes), *(Control(modes, r.randrange(1, 32), nx) for nx in quiet))]


def words_by_flags(subject: Subject, control: Control) -> list[int]:
    """What the control register is after an operation that raised these flags."""
    before = control.word(subject.unit)
    return [before | cause_of(flags) << Fcsr.CAUSE_AT | (flags & 31) << Fcsr.FLAGS_AT for flags in range(128)]


def untrapped(subject: Subject, enables: int, lane: tuple[int, int]) -> tuple[int, int]:
    """With NX, a lane that would have trapped is a signalling NaN that holds why, and raises nothing."""
    bits, flags = lane
    cause = cause_of(flags, enables)
    if not cause & enables:
        return bits, cause
    letter = subject.result
    endless = {16: FORMATS["h"], 32: FORMATS["s"], 64: FORMATS["d"]}[bits_of(letter)].infinity
    return endless | cause, 0


def trapping(subject: Subject, control: Control, lanes: list[tuple[int, int]], given: list[tuple[int, ...]],
             count: int) -> tuple[list[int], list[int]]:
    """Where an enabled exception is raised, Cause tells all of them, and neither the destination nor Flags have changed."""
    before, enables = control.word(subject.unit), control.enables
    results, words, kept = [], [], accumulates(subject)
    for n in range(0, len(lanes), count):
        group = lanes[n:n + count]
        flags = reduce(or_, (raised for _, raised in group))
        cause = cause_of(flags, enables)
        if cause & enables:
            results += [operands[2] if kept else 0 for operands in given[n:n + count]]
        else:
            results += [bits for bits, _ in group]
        words.append(before | cause << Fcsr.CAUSE_AT | (0 if cause & enables else (cause & 31) << Fcsr.FLAGS_AT))
    return results, words


def expected_of(subject: Subject, control: Control, lanes: list[tuple[int, int]], given: list[tuple[int, ...]],
                count: int) -> tuple[list[int], list[int]]:
    """Results, and a control register for every ``count`` lanes."""
    if control.enables and not control.nx:
        return trapping(subject, control, lanes, given, count)
    if control.enables:
        lanes = [untrapped(subject, control.enables, lane) for lane in lanes]
    results, flags = (list(column) for column in zip(*lanes, strict=True))
    word = words_by_flags(subject, control)
    if count == 1:
        return results, [word[f] for f in flags]
    words = []
    for group in zip(*(flags[n::count] for n in range(count)), strict=True):
        raised = 0
        for f in group:
            raised |= f
        words.append(word[raised])
    return results, words


def conditions(subject: Subject, words: list[int], count: int) -> tuple[list[int], list[int]]:
    """Condition codes as results, and the words without them."""
    places = CONDITIONS[:count]
    mask = sum(1 << place for place in places)
    return [word >> place & 1 for word in words for place in places], [word & ~mask for word in words]


def batches(subject: Subject, seed: int, cases: int) -> Iterator[tuple[int, list[Mismatch]]]:
    """Without end, so many cases at a time: how many lanes were tried, and which were wrong."""
    r = Random(f"{seed} {subject.name}")
    controls = controls_of(r, subject)
    n = field = 0
    while True:
        if n % POOLED == 0:
            wild, calm = Pools(r, number), Pools(r, tame)
        if n % SAME == 0:
            field = r.getrandbits(subject.immediate) if subject.immediate else 0
            columns: list[list[int]] = []
        lap, part = divmod(n, SAME)
        bulk = Bulk(subject, slow=subject.unit != "msa" and part == SAME - 1, immediate=field)
        lanes = bulk.size * 8 // bits_of(subject.operands[0]) if subject.unit != "fpu" else 1
        is_calm = subject.unit == "msa" and (lap % 2 == 1 if subject.alone else part == 1)
        if not columns or not subject.alone:
            columns = columns_of(calm if is_calm else wild, r, subject, cases * lanes)
        if subject.immediate:
            columns[1] = [immediate_of(subject, field)] * len(columns[1])
        yield compare(bulk, controls[(n if subject.alone else lap) % len(controls)], columns, lanes)
        n += 1


@lru_cache(64)
def judge_of(subject: Subject, modes: Modes) -> Judge:
    return subject.judge(modes)


def compare(bulk: Bulk, control: Control, columns: list[list[int]], lanes: int) -> tuple[int, list[Mismatch]]:
    subject = bulk.subject
    given = subject.arrange(columns, lanes)
    count = len(given) * lanes // len(columns[0])
    results, words = expected_of(subject, control, list(starmap(judge_of(subject, control.modes), given)), given, count)
    found, found_words = bulk.run(columns, control)
    if subject.condition:
        found, found_words = conditions(subject, found_words, count)
    if results == found and words == found_words:
        return len(given), []
    modes = f"{control.modes}, Enables {control.enables:#x}, NX {control.nx:d}, {'slow' if bulk.slow else 'fast'}"
    wrong = [Mismatch(subject.name, modes, given[k], (results[k], words[k // count]), (found[k], found_words[k // count]))
             for k in range(len(given))
             if results[k] != found[k] or (words[k // count] != found_words[k // count] and not k % count)]
    return len(given), wrong


def tried(name: str, seed: int, count: int, cases: int = AT_ONCE) -> tuple[int, list[Mismatch]]:
    """At least ``count`` lanes of an instruction, ``cases`` in one run."""
    done, wrong = 0, []
    for lanes, found in batches(subjects()[name], seed, cases):
        done += lanes
        wrong += found
        if done >= count or len(wrong) > 1000:
            break
    return done, wrong
