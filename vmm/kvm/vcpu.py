"""The architectural state of one vCPU.  (rows KH-5, CP-2, GK-3, IN-1)

While the guest is out, its GPRs, HI, LO and PC and the exit registers live in a block of simulated host RAM,
because the world-switch code saves them there; ``VcpuLayout`` is the one place that says where.  The CP0 file is an
array of 32 x 8 longs in a second block, the commpage.  What is here and not in those blocks is plain data.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from struct import Struct

from vmm.arch.cp0.fields import Register
from vmm.host.kernel.cpu import Ram
from vmm.host.kernel.vcpu_block import LONGS, VcpuLayout
from vmm.kvm.exits import Exit


class Mode(Enum):
    """Where a vCPU is, as requesters of flushes see it (GK-3)."""

    OUTSIDE = "outside"
    IN_GUEST = "in guest"
    EXITING = "exiting"
    READING_SHADOW = "reading shadow page tables"


class Request(Enum):
    """What others ask of a vCPU before it enters the guest again (GK-2)."""

    TLB_FLUSH = "flush the TLB"
    UNHALT = "woken from WAIT"


class Emulation(Enum):
    """How the emulation of one exit ended (KH-1)."""

    DONE = "done"
    DO_MMIO = "the VMM must do a device access"
    FAIL = "cannot be emulated"
    WAIT = "waits"
    PRIV_FAIL = "privilege failure, delivered to the guest"
    EXCEPT = "an exception was delivered to the guest"
    HYPERCALL = "the VMM must answer a hypercall"


class Priority(IntEnum):
    """Bit numbers of the pending bitmaps, highest priority first (section 10)."""

    RESET = 0
    SRESET = 1
    DEBUG_ST = 2
    DEBUG = 3
    DDB = 4
    NMI = 5
    MCHK = 6
    INT_TIMER = 7
    INT_IO = 8
    EXECUTE = 9
    INT_IPI_1 = 10
    INT_IPI_2 = 11


class Mmio(IntEnum):
    """What a pending device load will do with its data (MI-3)."""

    NONE = 0
    ZERO_EXTEND = 1
    SIGN_EXTEND = 2


def sign_extend(value: int, bits: int) -> int:
    """The low ``bits`` of a value as an unsigned 64-bit number with the sign copied up."""
    value &= (1 << bits) - 1
    return (value - (value >> bits - 1 << bits)) & 0xFFFFFFFF_FFFFFFFF


class Longs:
    """Longs in simulated RAM, seen as unsigned 64-bit numbers (a 32-bit host's are sign-extended)."""

    def __init__(self, ram: Ram, base: int, word: int, count: int, big_endian: bool) -> None:
        self._word, self._count = word, count
        code = ">" if big_endian else "<"
        self._all = Struct(f"{code}{count}{'Q' if word == 8 else 'I'}")
        self._signed, self._unsigned = Struct(code + "qi"[word == 4]), Struct(code + "QI"[word == 4])
        self._ones = (1 << 8 * word) - 1
        self._bytes = ram.window(base, count * word)       # each exit comes to a dozen of them

    def __getitem__(self, index: int) -> int:
        if not 0 <= index < self._count:
            raise self._no_such(index)
        value: int = self._signed.unpack_from(self._bytes, index * self._word)[0]
        return value & 0xFFFFFFFF_FFFFFFFF

    def __setitem__(self, index: int, value: int) -> None:
        if not 0 <= index < self._count:
            raise self._no_such(index)
        self._unsigned.pack_into(self._bytes, index * self._word, value & self._ones)

    def _no_such(self, index: int) -> IndexError:
        return IndexError(f"long {index} asked of a block of {self._count}; use 0..{self._count - 1}")

    def __len__(self) -> int:
        return self._count

    def read_all(self) -> list[int]:
        """All of them, as they are in RAM."""
        return list(self._all.unpack(self._bytes))

    def write_all(self, longs: list[int]) -> None:
        self._all.pack_into(self._bytes, 0, *longs)


class Gprs(Longs):
    """The 32 general registers; writes to $0 are dropped."""

    def __setitem__(self, index: int, value: int) -> None:
        if index:
            super().__setitem__(index, value)


class Cop0File:
    """The saved CP0 file in the commpage, by register class: unsigned, of the register's own width."""

    def __init__(self, ram: Ram, base: int, word: int, big_endian: bool) -> None:
        self.raw = Longs(ram, base, word, 256, big_endian)
        self.base, self.word = base, word

    def __getitem__(self, register: type[Register]) -> int:
        return self.at(*register.number) & self._mask(register)

    def __setitem__(self, register: type[Register], value: int) -> None:
        wide = sign_extend(value, 32) if self._mask(register) == 0xFFFFFFFF else value
        self.put(*register.number, wide)

    def update(self, values: Iterable[tuple[type[Register], int]]) -> None:
        """Many registers with one access to RAM, since each exit to the VMM saves them all."""
        longs = self.raw.read_all()
        for register, value in values:
            if self.word == 4:
                longs[register.index] = value & 0xFFFFFFFF
            else:
                longs[register.index] = value if register.bits64 else sign_extend(value, 32)
        self.raw.write_all(longs)

    def each(self, registers: Sequence[type[Register]]) -> list[int]:
        """The other way."""
        longs = self.raw.read_all()
        if self.word == 4:
            return [longs[register.index] for register in registers]
        return [longs[register.index] if register.bits64 else longs[register.index] & 0xFFFFFFFF for register in registers]

    def _mask(self, register: type[Register]) -> int:
        return 0xFFFFFFFF_FFFFFFFF if self.word == 8 and register.bits64 else 0xFFFFFFFF

    def at(self, rd: int, sel: int) -> int:
        """The long at [rd][sel] as an unsigned 64-bit number."""
        return self.raw[rd * 8 + sel]

    def put(self, rd: int, sel: int, value: int) -> None:
        self.raw[rd * 8 + sel] = value


class _Long:
    """A long of the vCPU block as an attribute: unsigned 64-bit, sign-extended."""

    def __set_name__(self, owner: type[Vcpu], name: str) -> None:
        self.index = 32 + LONGS.index(name)

    def __get__(self, vcpu: Vcpu, owner: type[Vcpu]) -> int:
        return vcpu.block[self.index]

    def __set__(self, vcpu: Vcpu, value: int) -> None:
        vcpu.block[self.index] = value


@dataclass(slots=True)
class MmioState:
    """A device access under way (MI-2..MI-4)."""

    needed: Mmio = Mmio.NONE
    io_pc: int = 0
    io_gpr: int = 0
    length: int = 0
    is_write: bool = False
    data: int = 0


@dataclass(slots=True)
class FpuState:
    """Saved FPU and MSA registers and which of them are live in the host's (11.7)."""

    vectors: list[int] = field(default_factory=lambda: [0] * 32)
    fcr31: int = 0
    msacsr: int = 0
    fpu_in_use: bool = False
    msa_in_use: bool = False


class Vcpu:
    """One vCPU's state; both back ends and all shared emulation work on this."""

    hi = _Long()
    lo = _Long()
    pc = _Long()
    host_stack = _Long()
    host_gp = _Long()
    host_pgd = _Long()
    host_entryhi = _Long()
    host_badvaddr = _Long()
    host_epc = _Long()
    host_cause = _Long()
    host_guestctl0 = _Long()
    host_badinstr = _Long()
    host_badinstrp = _Long()
    guest_ebase = _Long()
    gpa_mm = _Long()
    kernel_mm = _Long()
    user_mm = _Long()
    cop0_address = _Long()
    guest_id = _Long()

    def __init__(self, number: int, ram: Ram, block: int, commpage: int, *, word: int, big_endian: bool) -> None:
        """``block`` and ``commpage`` are host-physical addresses of zeroed memory."""
        self.number = number
        self.ram = ram
        self.word = word
        self.big_endian = big_endian
        self.layout = VcpuLayout(word)
        self.block_address = block
        self.commpage_address = commpage
        self.block = Longs(ram, block, word, self.layout.size // word, big_endian)
        self.gpr = Gprs(ram, block, word, 32, big_endian)
        self.cop0 = Cop0File(ram, commpage, word, big_endian)
        self.mode = Mode.OUTSIDE
        self.requests: set[Request] = set()
        self.pending_exceptions = 0
        self.pending_exceptions_clr = 0
        self.lines = 0  # levels of IP2..IP7 as last told by KVM_INTERRUPT, as Cause.IP bits
        self.waiting = False
        self.in_guest_context = False  # the task flag PF_VCPU (GK-7)
        self.last_sched_cpu = -1
        self.last_exec_cpu = -1
        self.fpu_enabled = False
        self.msa_enabled = False
        self.fpu = FpuState()
        self.mmio = MmioState()
        self.exit: Exit | None = None  # set by a handler that wants to go back to the VMM
        self.intr = False  # the signal: somebody wants the vCPU out
        self.stats: Counter[str] = Counter()

    def queue(self, priority: Priority) -> None:
        self.pending_exceptions |= 1 << priority
        self.pending_exceptions_clr &= ~(1 << priority)

    def dequeue(self, priority: Priority) -> None:
        self.pending_exceptions &= ~(1 << priority)
        self.pending_exceptions_clr |= 1 << priority

    def is_pending(self, priority: Priority) -> bool:
        return bool(self.pending_exceptions >> priority & 1)

    @property
    def runnable(self) -> bool:
        """MC-5: models Config7.WII, interrupts end WAIT whatever Status.IE says."""
        return self.pending_exceptions != 0

    def wake(self) -> None:
        """What an interrupt from outside does to a blocked vCPU (MC-11)."""
        self.waiting = False
