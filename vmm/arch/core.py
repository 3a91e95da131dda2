"""A CPU model: what a core has, as data.  The cores themselves are in ``vmm.arch.models``."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vmm.arch.cp0.cells import Cells, GuestCells
from vmm.arch.cp0.fields import Register, sign_extended
from vmm.arch.cp0.registers import Config, Config1, Config4, EBase, EntryHi, GlobalNumber, GuestCtl1, IntCtl, PRId
from vmm.arch.fp import Fcsr

REGISTERS_PER_FILE = 256


@dataclass(frozen=True, slots=True, eq=False)
class CpuModel:
    """A core.  ``release`` and ``ases`` choose its instructions; ``guest`` is empty on a core without VZ.

    ``bits``: 32 or 64.  ``segbits``, ``pabits``: width of virtual and physical addresses.
    ``fir``, ``msair``: what the identity registers read: CFC1's FIR with an FPU, CFCMSA's MSAIR with MSA.
    ``fcsr``, ``fcsr_writable``: FCSR after reset, and the bits that CTC1 changes, on a core with an FPU.
    ``cycles_event``, ``instructions_event``: numbers of the performance counters' events.
    ``tlb_entries``, ``guest_tlb_entries``: of the VTLB, where there is an FTLB too; Config4 says what that is like.
    ``ftlb_largest_page``: the largest value of Config4.FTLBPageSize.
    ``cm``: the revision of the coherence manager that such cores have (major in bits 15:8), 0 for none; ``vps``: virtual
    processors of a core; they share its root FTLB, and with ``lends_ftlb_entries`` what is in it.
    ``ccres``: pipeline cycles a tick of Count.  ``synci_step``: bytes that one SYNCI reaches.
    """
    name: str
    description: str
    not_modelled: tuple[str, ...]
    release: int
    bits: int
    ases: frozenset[str]
    tlb_entries: int
    guest_tlb_entries: int
    segbits: int
    pabits: int
    root: Cells
    guest: GuestCells
    fir: int = 0
    fcsr: int = 0
    fcsr_writable: int = Fcsr.LEGACY_WRITABLE
    msair: int = 0
    ccres: int = 2
    ftlb_largest_page: int = 0
    synci_step: int = 32
    cycles_event: int = 0
    instructions_event: int = 1
    cm: int = 0
    vps: int = 1
    lends_ftlb_entries: bool = False

    @property
    def fpu(self) -> bool:
        return bool(self.root[Config1].reset & Config1.FP.mask)

    @property
    def prid(self) -> int:
        return self.root[PRId].reset

    @property
    def ftlb_entries(self) -> int:
        """Of the root's FTLB when it is on; 0 without one."""
        return _ftlb_entries(self.reset(Config4), self.write_mask(Config4))

    @property
    def guest_ftlb_entries(self) -> int:
        cell = self.guest.get(Config4)
        return _ftlb_entries(cell.reset, cell.guest_writable) if cell else 0

    @property
    def implemented(self) -> frozenset[int]:
        """Indices of the root registers that exist."""
        return frozenset(register.index for register in self.root)

    @property
    def guest_implemented(self) -> frozenset[int]:
        """Indices of the registers of which the guest context has a copy."""
        return frozenset(register.index for register in self.guest)

    def reset(self, register: type[Register]) -> int:
        return self.root[register].reset if register in self.root else 0

    def write_mask(self, register: type[Register]) -> int:
        return self.root[register].writable if register in self.root else 0

    def root_reset(self, *, big_endian: bool = False, cpu: int = 0, global_number: int = 0) -> list[int]:
        """The root context after reset, by index, on CPU number ``cpu``."""
        cells = {register: cell.reset for register, cell in self.root.items()}
        if GlobalNumber in cells:
            cells[GlobalNumber] = global_number
        return _after_reset({**FIXED_BEFORE_RELEASE_2, **cells}, big_endian, cpu)

    def guest_reset(self, *, big_endian: bool = False, cpu: int = 0) -> list[int]:
        return _after_reset({register: cell.reset for register, cell in self.guest.items()}, big_endian, cpu)

    def root_write_mask(self) -> list[int]:
        """By index: the bits that MTC0 changes in root mode; ``Register.merge`` knows how."""
        return _by_index({register: cell.writable for register, cell in self.root.items()})

    def guest_write_mask(self) -> list[int]:
        """By index: the bits that MTC0 changes in guest mode, if it does not exit."""
        return _by_index({register: cell.guest_writable for register, cell in self.guest.items()})

    def guest_root_write_mask(self) -> list[int]:
        """By index: the bits of the guest context that MTGC0 changes."""
        return _by_index({register: cell.root_writable for register, cell in self.guest.items()})

    def guest_trap_mask(self) -> list[int]:
        """By index: the bits whose change by the guest raises a software field change exit (GSFC)."""
        return _by_index({register: register.guest_trap_mask & cell.guest_writable
                          for register, cell in self.guest.items()})

    def guest_mode_trap_mask(self) -> list[int]:
        """By index: the bits that do so too while GuestCtl0.MC is set."""
        return _by_index({register: register.guest_mode_trap_mask & cell.guest_writable
                          for register, cell in self.guest.items()})

    @property
    def asid_mask(self) -> int:
        return self.write_mask(EntryHi) & (EntryHi.ASID.mask | EntryHi.ASIDX.mask)

    @property
    def vpn_mask(self) -> int:
        """The bits of EntryHi that hold R and VPN2; on a 32-bit core with the sign extension."""
        return self.write_mask(EntryHi) & (EntryHi.R.mask | EntryHi.VPN2.mask)

    @property
    def pfn_mask(self) -> int:
        """The bits of a physical address that a TLB entry can give."""
        return (1 << self.pabits) - (1 << 12)

    @property
    def guest_id_mask(self) -> int:
        """The bits of GuestCtl1.ID; 0 on a core that tells guests apart by root's ASID."""
        return self.write_mask(GuestCtl1) & GuestCtl1.ID.mask

    @property
    def xcontext_region_bit(self) -> int:
        """Where XContext.R starts; BadVPN2 ends below it."""
        return self.segbits - 9


def _ftlb_entries(config4: int, writable: int) -> int:
    """A core with an FTLB lets software choose its page size."""
    shape = Config4(config4)
    return (shape.FTLBWays + 2) << shape.FTLBSets if writable & Config4.FTLBPageSize.mask else 0


def _by_index(values: Mapping[type[Register], int]) -> list[int]:
    table = [0] * REGISTERS_PER_FILE
    for register, value in values.items():
        table[register.index] = value
    return table


FIXED_BEFORE_RELEASE_2: dict[type[Register], int] = {
    EBase:  sign_extended(0x8000_0000),
    IntCtl: IntCtl.IPTI.at(7),
}
"""What the machine goes by on a core that has no such register: where vectors are, which line the timer has."""


def _after_reset(values: Mapping[type[Register], int], big_endian: bool, cpu: int) -> list[int]:
    table = _by_index(values)
    if Config in values:
        table[Config.index] |= Config.BE.at(big_endian)
        table[EBase.index] |= EBase.CPUNum.at(cpu)
    return table
