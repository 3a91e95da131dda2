"""What the rows of a meaning do in many states, as one digest.  ``python -m tests.soak.pictures MODULE FUNCTION``

Two versions of a meaning that give one digest say the same wherever chance has looked.  Rows are those whose meaning is
the function or, for a function that several meanings call, all rows of the modules that name it.
"""
from __future__ import annotations

import argparse
import hashlib
import inspect
import sys
from collections.abc import Callable
from random import Random

from tests.properties.chance import CODE_PAGES, EDGES, door, signed_word, start_state, word_of
from tests.support.engines import MODELS, RAM_SIZE, Rig, fresh, rows_of
from vmm.arch.cp0.registers import Status
from vmm.arch.insns import ROWS
from vmm.arch.rows import Insn

PACKAGE = "vmm.arch.insns."
STEPS = 3
"""Instructions from a state on: the one that is looked at, in the slot of itself too, or the start of a handler."""
DOUBLES = (0x3FF0_0000_0000_0000, 0x7FF0_0000_0000_0001, 0x7FF8_0000_0000_0000, 0xFFF0_0000_0000_0000, 1, 1 << 63, 0,
           0x0010_0000_0000_0000, 0x4330_0000_0000_0001, 0x7FEF_FFFF_FFFF_FFFF, 0x3F80_0000_4040_0000,
           0x7F80_0001_FFC0_0000)


def rows_with(module: str, function: str) -> list[Insn]:
    own = [row for row in ROWS if row.meaning.__module__ == module and row.meaning.__name__ == function]
    if own:
        return own
    users = {name for name, found in sys.modules.items() if name.startswith(PACKAGE)
             and (name == module or function in inspect.getsource(found))}
    return [row for row in ROWS if row.meaning.__module__ in users]


def numbers(r: Random, rig: Rig) -> None:
    """What ``start_state`` leaves as reset does: coprocessor 1, and the accumulators."""
    state = rig.cpu.state
    usable, wide, dsp = Status.CU1.mask, Status.CU1.mask | Status.FR.mask, Status.CU1.mask | Status.MX.mask
    rig.cpu.root[Status] |= r.choice((0, usable, wide, dsp))
    fpr, few = state.array("fpr"), [r.choice((r.getrandbits(64), *DOUBLES, *EDGES)) for _ in range(3)]
    for n in range(0, len(fpr), 2):
        fpr[n] = r.choice((r.getrandbits(64), *DOUBLES, *few, *few, *few))
    state.fcsr = r.choice((state.fcsr, state.fcsr | r.randrange(4), state.fcsr | r.getrandbits(5) << 7))
    for name in ("hi", "lo"):
        for n in range(len(accumulator := state.array(name))):
            accumulator[n] = signed_word(r.choice((r.getrandbits(32), *EDGES)))
    state.dspctl = r.choice((0, r.getrandbits(6), r.getrandbits(32) & 0x1FFF_3FFF))
    rig.cpu.refresh()


def show(row: Insn, name: str, r: Random, background: list[int], tell: Callable[[bytes], None]) -> None:
    rig = fresh("reference", name, r.random() < 0.3)
    word = word_of(row, r.getrandbits(32))
    rig.fill(0, background * (RAM_SIZE // 0x1000))
    for page in CODE_PAGES:
        rig.fill(page, [word, word, word, door(rig)] * 256)
    start_state(r, rig)
    numbers(r, rig)
    rig.step_to(rig.cpu.ticks + STEPS)
    for slot, value in rig.picture().items():
        tell(value if isinstance(value, bytes) else f"{slot} {value}".encode())


def digest(module: str, function: str, seed: int, count: int) -> str:
    """Over ``count`` states a row and model, fewer if there are many rows; at least one model must execute it."""
    rows = rows_with(module, function)
    each = max(20, count // max(1, len(rows)))
    sha, r = hashlib.sha256(), Random(seed)
    background = [r.choice((r.getrandbits(32), *DOUBLES, 0)) & 0xFFFF_FFFF for _ in range(0x400)]
    for name in (*MODELS, "74Kf"):                         # and one with the DSP ASE
        for row in rows:
            if row in rows_of(name):
                for n in range(each):
                    show(row, name, Random(f"{seed} {name} {row.name} {n}"), background, sha.update)
    assert sha.digest() != hashlib.sha256().digest(), f"no model here executes {function} of {module}"
    return sha.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module")
    parser.add_argument("function")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=600)
    options = parser.parse_args()
    print(digest(options.module, options.function, options.seed, options.count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
