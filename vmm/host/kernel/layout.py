"""Where the generated code finds things: doors, stack frames, thread info, and the registers it borrows.

``CodePlan`` is everything about one host that the code depends on; it is computed once at boot (EN-1) and never
changes.  A door is an SDBBP whose code says which C function would have been called there.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import (
    Config,
    Config3,
    Config4,
    DDataLo,
    EBase,
    ErrorEPC,
    KScratch1,
    KScratch2,
    KScratch3,
    KScratch4,
    KScratch5,
    KScratch6,
    PageGrain,
)
from vmm.errors import ConfigError
from vmm.host.kernel.pagetable import Geometry

CpNumber = tuple[int, int]


class Door(IntEnum):
    """Codes of the SDBBPs that lead to Python; the machine takes any from 0x80000 on."""

    HANDLE_EXIT = 0x80001
    RETURNED = 0x80002
    HOST_EXCEPTION = 0x80003
    USER_EXCEPTION = 0x80004
    SWITCHED = 0x80005


RESUME_GUEST = 0
RESUME_FLAG_DR = 1
RESUME_HOST = 2
"""Return values of handle_exit (EN-15): (errno << 2) | flags."""

USER_MODE = 0x10
"""Status.KSU of user mode, in place."""

TI_CPU = 0
"""Offset in the thread info (gp points to it) of the number of the CPU that the task runs on, a 32-bit word."""

THREAD = 16
"""There the registers of a task that has no CPU begin."""

CALL_FRAME = 32
"""What a caller leaves below SP for the function it calls (EN-13)."""


@dataclass(frozen=True, slots=True)
class ThreadInfo:
    """Offsets in the thread info, at the lower end of a task's stack."""

    word: int
    KEPT: ClassVar = (*range(16, 24), 29, 30, 31)

    def gpr(self, number: int) -> int:
        return THREAD + self.KEPT.index(number) * self.word

    @property
    def status(self) -> int:
        return THREAD + len(self.KEPT) * self.word

    @property
    def stack_top(self) -> int:
        return self.status + self.word

    @property
    def size(self) -> int:
        return self.stack_top + self.word


@dataclass(frozen=True, slots=True)
class PtRegs:
    """The frame of vcpu_run (EN-4) and that of an exception from user mode, as offsets from its lower end.

    vcpu_run has no exception to describe: its ``cause`` is the host's value of the temporary scratch register, and its
    ``epc`` that of the register that will hold the vCPU pointer.
    """

    word: int

    def gpr(self, number: int) -> int:
        return CALL_FRAME + number * self.word

    @property
    def status(self) -> int:
        return self.gpr(32)

    @property
    def cause(self) -> int:
        return self.gpr(33)

    @property
    def epc(self) -> int:
        return self.gpr(34)

    @property
    def hi(self) -> int:
        return self.gpr(35)

    @property
    def lo(self) -> int:
        return self.gpr(36)

    @property
    def bad_address(self) -> int:
        return self.gpr(37)

    @property
    def size(self) -> int:
        return (self.gpr(38) + 15) & -16


@dataclass(frozen=True, slots=True)
class ScratchRegisters:
    """CP0 registers that nobody else uses between guest and host (EN-1)."""

    pgd: CpNumber | None
    vcpu: CpNumber
    temporary: CpNumber


KSCRATCH: tuple[type[Register], ...] = (KScratch1, KScratch2, KScratch3, KScratch4, KScratch5, KScratch6)


def choose_scratch(config4: int) -> ScratchRegisters:
    """KScratch registers as far as Config4.KScrExist goes: page directory, vCPU, temporary; else DDataLo, ErrorEPC."""
    exist = Config4(config4).KScrExist
    free = [register.number for register in KSCRATCH if exist >> register.number[1] & 1]
    pgd = free.pop(0) if free else None
    vcpu = free.pop(0) if free else DDataLo.number
    return ScratchRegisters(pgd, vcpu, free.pop(0) if free else ErrorEPC.number)


@dataclass(frozen=True, slots=True)
class CodePlan:
    """The host as the generated code sees it."""

    geometry: Geometry
    big_endian: bool
    scratch: ScratchRegisters
    rixi: bool
    ebase_gate: bool
    has_bad_instr: bool
    has_bad_instr_p: bool
    hwrena: int
    host_ebase: int
    setup_pgd: int
    pgd_current: int
    asid_mask: int
    vz: bool
    guest_id: bool
    hilo: bool

    @property
    def word(self) -> int:
        return self.geometry.word

    @property
    def bits(self) -> int:
        return 8 * self.word


@dataclass(frozen=True, slots=True)
class HostFeatures:
    """What the host CPU's own configuration registers say."""

    word: int
    rixi: bool
    ebase_gate: bool
    bad_instr: bool
    bad_instr_p: bool
    user_local: bool
    vz: bool
    tlbinv: bool
    hilo: bool
    scratch: ScratchRegisters


def read_features(configs: dict[type[Register], int], ebase_mask: int) -> HostFeatures:
    """From Config, Config3, Config4 as read, and the write mask of EBase."""
    config, config3, config4 = configs[Config], configs[Config3], configs[Config4]
    if Config(config).AR == 0:
        raise ConfigError("host CPU is release 1: the world switch needs release 2 (EBase, EXT, INS, RDHWR)")
    return HostFeatures(
        word=4 if Config(config).AT == 0 else 8,
        rixi=bool(Config3(config3).RXI),
        ebase_gate=bool(ebase_mask & EBase.WG.mask),
        bad_instr=bool(Config3(config3).BI),
        bad_instr_p=bool(Config3(config3).BP),
        user_local=bool(Config3(config3).ULRI),
        vz=bool(Config3(config3).VZ),
        tlbinv=Config4(config4).IE >= 2,
        hilo=Config(config).AR < CONFIG_AR_RELEASE_6,
        scratch=choose_scratch(config4),
    )


CONFIG_AR_RELEASE_6 = 2
PAGE_GRAIN_RIXI = PageGrain.RIE.mask | PageGrain.XIE.mask | PageGrain.IEC.mask
