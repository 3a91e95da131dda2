"""A trap-and-emulate guest's CPU after reset (rows TE-20..TE-24): a 24Kc with 64 TLB entries, or a plain
release 6 core.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import (
    Config,
    Config1,
    Config2,
    Config3,
    Config4,
    Config5,
    Config7,
    EBase,
    IntCtl,
    PRId,
    Random,
    Register,
    Status,
)
from vmm.kvm.te.addresses import KSEG0, RESET_PC
from vmm.kvm.te.guest import Guest
from vmm.kvm.te.tlb import ENTRIES

PRID_24KC = 0x0001_9300
PRID_GENERIC = 0x0001_0000
CACHED = 3
TLB_MMU = 1
CONFIG7_BIT10 = 1 << 10
"""Set by the original together with WII; the core's own."""
NO_TIMER_ROUTING = 0xFC00_0000
UNITS = (Config1.C2.mask | Config1.MD.mask | Config1.PC.mask | Config1.WR.mask | Config1.CA.mask
         | Config1.EP.mask | Config1.FP.mask)
"""What the guest's core does not have; the cache geometry stays the host's (TE-23)."""


def values(number: int, host_config: int, host_config1: int, *,
           big_endian: bool) -> dict[type[Register], int]:
    """``number`` is the vCPU's; the two host registers are raw values."""
    release6 = Config.AR.of(host_config) == 2
    return {
        PRId: PRID_GENERIC if release6 else PRID_24KC,
        Config: Config.M.mask | host_config & Config.AR.mask | Config.K0.at(CACHED) | Config.MT.at(TLB_MMU)
        | Config.BE.at(big_endian) | host_config & Config.VI.mask,
        Config1: host_config1 & ~UNITS & ~Config1.MMUSize.mask | Config1.MMUSize.at(ENTRIES - 1),
        Config2: Config2.M.mask,
        Config3: Config3.M.mask | Config3.ULRI.mask,
        Config4: Config4.M.mask,
        Config5: 0,
        Config7: Config7.WII.mask | CONFIG7_BIT10,
        Status: Status.BEV.mask | Status.ERL.mask,
        IntCtl: NO_TIMER_ROUTING,
        EBase: KSEG0 | number & EBase.CPUNum.mask,
        Random: ENTRIES - 1,
    }


def reset(guest: Guest, host_config: int, host_config1: int) -> None:
    vcpu = guest.vcpu
    for register, value in values(vcpu.number, host_config, host_config1, big_endian=vcpu.big_endian).items():
        vcpu.cop0[register] = value
    guest.timer.write_count(0)
    vcpu.pc = RESET_PC
