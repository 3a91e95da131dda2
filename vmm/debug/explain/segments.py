"""Which segment an address is in, and why it may be used or not, in words.  (Volume III, chapters 3 and 4; mips.md 4.1)

What comes of it is the architecture's answer (``Stage``); this names the register fields that it follows from.
"""
from __future__ import annotations

from vmm.arch.cp0.fields import Bits
from vmm.arch.cp0.registers import Config, Debug, PageGrain, SegCtl0, SegCtl1, SegCtl2, Status
from vmm.arch.privileged.mode import KERNEL
from vmm.arch.privileged.names import File
from vmm.arch.privileged.segments import ACCESS_MODES, BEYOND_SMALL, DIRECT, MAPPED, NEEDS_KX, NEEDS_SX
from vmm.arch.state import GUEST_FILE, ROOT_FILE
from vmm.debug.explain.look import Stage
from vmm.engine.numbers import Numbers
from vmm.engine.store import Memory, State

PRIVILEGES = ("kernel", "supervisor", "user")
ZONES: tuple[tuple[str, Bits], ...] = (
    ("useg", SegCtl2.CFG5), ("useg", SegCtl2.CFG5), ("useg", SegCtl2.CFG4), ("useg", SegCtl2.CFG4),
    ("kseg0", SegCtl1.CFG3), ("kseg1", SegCtl1.CFG2), ("sseg", SegCtl0.CFG1), ("kseg3", SegCtl0.CFG0))
"""By bits 31..29."""
REGIONS = ("xuseg", "xsseg", "xkphys", "xkseg")
"""By bits 63..62."""
ENABLES = (Status.UX, Status.SX, Status.KX)
ERROR_LEVEL_UNMAPPED = 8
"""In a segment's configuration: with Status.ERL the kernel has it unmapped (EU)."""


def _file(state: State, base: int) -> File:
    return Numbers(state, False, Memory(0)).root if base == ROOT_FILE else File(Numbers(state, False, Memory(0)), base)


def privilege(state: State, base: int) -> str:
    """``kernel, as Status.EXL=1``."""
    file = _file(state, base)
    reasons = [name for name, on in (
        ("Debug.DM", base == ROOT_FILE and file.get(Debug.DM)), ("Status.EXL", file.get(Status.EXL)),
        ("Status.ERL", file.get(Status.ERL))) if on]
    why = f"{reasons[0]}=1" if reasons else f"Status.KSU={int(file.get(Status.KSU))}, EXL=ERL=0"
    context = "guest" if base == GUEST_FILE else "root"
    return f"{context} {PRIVILEGES[state.priv]}, as {why}"


def describe(state: State, stage: Stage) -> list[str]:
    """Lines on the segment of a stage's address."""
    va, file = stage.address, _file(state, stage.file)
    high = va >> 31
    if high not in (0, (1 << 33) - 1):
        told = _wide(state, file, va)
    else:
        told = _compatible(state, file, va)
    if stage.segment == DIRECT:
        return [f"{told}: not mapped, physical {stage.physical or 0:#x}"]
    return [f"{told}: " + ("mapped, so the TLB is asked" if stage.segment == MAPPED else "address error")]


def _compatible(state: State, file: File, va: int) -> str:
    name, config = ZONES[va >> 29 & 7]
    value = int(file.get(config))
    text = f"segment {name}, access mode {ACCESS_MODES[value >> 4 & 7][0]} of {config.owner.name}.{config.name}"
    if name == "kseg0":
        text += f", cacheability Config.K0={int(file.get(Config.K0))}"
    if state.priv == KERNEL and value & ERROR_LEVEL_UNMAPPED and file.get(Status.ERL):
        text += ", whose EU counts as Status.ERL=1"
    return f"{text}; for {PRIVILEGES[state.priv]}"


def _wide(state: State, file: File, va: int) -> str:
    """Beyond the 32-bit address space."""
    region = va >> 62
    name = REGIONS[region]
    if not state.core64:
        return f"{va:#x} is no 32-bit address, sign-extended, and this is a 32-bit core"
    if name == "xkphys":
        return _xkphys(state, file, va)
    needs = ENABLES[min(region, 2)]
    facts = [f"wants Status.{needs.name}, which is {int(file.get(needs))}"]
    if va & state.segment_excess:
        facts.append("it is beyond SEGBITS")
    elif region == 3 and (va | state.segment_excess) >> 31 == (1 << 33) - 1:
        facts.append("its last 2 GiB are the 32-bit segments'")
    return f"region {name}, " + ", ".join(facts) + f"; for {PRIVILEGES[state.priv]}"


def _xkphys(state: State, file: File, va: int) -> str:
    part = va >> 59 & 7
    opened = bool(int(file.get(SegCtl2.XR)) >> part & 1)
    number = int(file.get(SegCtl1.XAM)) if opened else 0
    mode, _ = ACCESS_MODES[number]
    needs = ENABLES[2 if NEEDS_KX >> number & 1 else 1 if NEEDS_SX >> number & 1 else 0]
    facts = [f"region xkphys, cacheability {part}",
             f"access mode {mode}" + (" (SegCtl2.XR opens it)" if opened else ""),
             f"wants Status.{needs.name}, which is {int(file.get(needs))}"]
    if va & state.physical_excess:
        facts.append("it is beyond PABITS")
    elif va & BEYOND_SMALL and not file.get(PageGrain.ELPA):
        facts.append("it is beyond 36 bits, as PageGrain.ELPA=0")
    return ", ".join(facts) + f"; for {PRIVILEGES[state.priv]}"
