"""A guest without a machine: real page tables in fake RAM, a host that notes what was asked of it."""
from __future__ import annotations

from tests.support.plain_ram import PlainRam
from vmm.arch.cp0.registers import Cause, EBase, EntryHi, EntryLo0, EntryLo1, Index, PageMask, Register, Status
from vmm.arch.insns import ROWS
from vmm.host.kernel.contexts import Mm, mm_bytes
from vmm.host.kernel.memory import PageAllocator
from vmm.host.kernel.pagetable import Geometry, InvalidTables, PageTable, Pte, mkdirty
from vmm.kvm.hypercall import hypercall
from vmm.kvm.mmio import IoBus
from vmm.kvm.quirks import Quirks
from vmm.kvm.te.guest import Fpu, Guest
from vmm.kvm.te.handlers import handle
from vmm.kvm.te.interrupts import TimerLine
from vmm.kvm.te.reset import reset
from vmm.kvm.te.tlb import Entry
from vmm.kvm.timer import SoftTimer
from vmm.kvm.vcpu import Emulation, Vcpu

RAM_SIZE = 0x60_0000
GUEST_RAM = 0x40_0000
GUEST_SIZE = 0x10_0000
HOST_CONFIG, HOST_CONFIG1 = 0x8000_0482, 0x9E19_0C8F
VECTORS, KERNEL_PC = 0x4000_0000, 0x4001_0000
ENCODINGS = {row.name: row.encoding for row in ROWS if row.on(5)}


class Contexts:
    """ASIDs that only count up."""

    def __init__(self) -> None:
        self.last = 0x100
        self.loaded: Mm | None = None

    def get_new(self, cpu: int, mm: Mm) -> None:
        self.last += 1
        mm.set_context(cpu, self.last)

    def check(self, cpu: int, mm: Mm) -> None:
        if not mm.context(cpu):
            self.get_new(cpu, mm)

    def tag(self, cpu: int, mm: Mm) -> int:
        return mm.context(cpu) & 0xFF

    def switch(self, cpu: int, mm: Mm) -> None:
        self.check(cpu, mm)
        self.loaded = mm

    def drop(self, cpu: int, mm: Mm) -> None:
        mm.set_context(cpu, 0)


class Host:
    """Guest memory is GUEST_SIZE bytes from guest-physical 0; pages in ``read_only`` refuse writes."""

    def __init__(self, page_shift: int, word: int) -> None:
        self.ram = PlainRam(RAM_SIZE)
        self.page_shift, self.word = page_shift, word
        self.release, self.bad_instr = 2, False
        self.contexts = Contexts()
        self.fpu: Fpu | None = None
        self.io_bus: IoBus | None = None
        self.pages = PageAllocator(self.ram, GUEST_RAM, page_shift)
        self.geometry = Geometry(page_shift, word)
        self.invalid = InvalidTables(self.pages, self.geometry)
        self.init_mm = self.new_mm()
        self.ptes: dict[int, int] = {}
        self.read_only: set[int] = set()
        self.invalidated: list[tuple[int, Mm, int]] = []
        self.kicked: list[int] = []
        self.now = 0
        self.own_hypercalls = False

    def new_mm(self) -> Mm:
        assert mm_bytes(2) <= self.pages.page_size
        return Mm(self.ram, self.pages.alloc(), PageTable(self.pages, self.geometry, self.invalid), 2)

    def map_page(self, gpa: int, *, write: bool) -> tuple[int, int] | None:
        size = 1 << self.page_shift
        page = gpa & -size
        if page >= GUEST_SIZE or (write and page in self.read_only):
            return None
        pte = self.ptes.get(page, GUEST_RAM + page | Pte.PRESENT | Pte.READABLE | Pte.CACHED | Pte.WRITE)
        self.ptes[page] = mkdirty(pte) if write else pte
        return self.ptes[page], self.pte(page ^ size)

    def pte(self, gpa: int) -> int:
        return self.ptes.get(gpa, 0)

    gpa_pte = pte

    def invalidate(self, cpu: int, mm: Mm, va: int) -> None:
        self.invalidated.append((cpu, mm, va))

    def now_ns(self) -> int:
        return self.now

    def config(self, register: type[Register]) -> int:
        return {"Config": HOST_CONFIG, "Config1": HOST_CONFIG1}[register.name]

    def kick(self, cpu: int) -> None:
        self.kicked.append(cpu)

    def hypercall(self, vcpu: Vcpu) -> Emulation:
        return hypercall(vcpu, to_vmm=self.own_hypercalls)


class Rig:
    """``trap`` is one exit: the instruction sits at the PC, the host reports the cause."""

    def __init__(self, quirks: Quirks, page_shift: int = 14, word: int = 4) -> None:
        self.host = Host(page_shift, word)
        pages = self.host.pages
        self.vcpu = Vcpu(1, self.host.ram, pages.alloc(), pages.alloc(2), word=word, big_endian=False)
        timer = SoftTimer(self.host, self.vcpu.cop0, TimerLine(self.vcpu))
        self.guest = Guest(self.vcpu, self.host, timer, self.host.new_mm(), self.host.new_mm(), quirks)
        reset(self.guest, HOST_CONFIG, HOST_CONFIG1)
        self.cop0 = self.vcpu.cop0
        self.cop0[Status] = 0
        self.cop0[EBase] = VECTORS
        self.vcpu.pc = KERNEL_PC

    def user_mode(self, pc: int = 0x1_0000) -> None:
        """In a user program, whose page the guest maps."""
        self.cop0[Status] |= 0x10
        self.map(pc, 0x2_0000)
        self.vcpu.pc = pc

    def map(self, va: int, gpa: int, *, index: int = 0, flags: int = 0b111, asid: int = 0, page_size: int = 0) -> None:
        """A guest TLB entry whose two pages are neighbours; ``flags`` are D V G."""
        size = page_size or self.guest.page_size
        pair = gpa & -2 * size
        lo0, lo1 = (page >> 6 | flags for page in (pair, pair + size))
        self.guest.tlb[index] = Entry(2 * size - 1 & ~0x1FFF, va & -2 * size | asid, lo0, lo1)

    def put_word(self, address: int, word: int) -> None:
        """Into guest memory behind ``address``, in kseg0 or mapped; where there is none, no code is."""
        gpa = address & 0x1FFF_FFFF
        if address < 0x4000_0000:
            entry = self.guest.tlb.lookup(address, self.guest.asid)
            assert entry is not None
            gpa = entry.half(address).physical
        if gpa < GUEST_SIZE:
            self.host.ram.store(GUEST_RAM + gpa, 4, word)

    def trap(self, code: int, word: int = 0, *, bad: int = 0, coprocessor: int = 0,
             branch: int | None = None) -> Emulation:
        vcpu = self.vcpu
        vcpu.host_cause = Cause.ExcCode.at(code) | Cause.CE.at(coprocessor)
        vcpu.host_badvaddr = bad
        if branch is None:
            self.put_word(vcpu.pc, word)
        else:
            vcpu.host_cause |= Cause.BD.mask
            self.put_word(vcpu.pc, branch)
            self.put_word(vcpu.pc + 4, word)
        return handle(self.guest)

    def cp0(self, name: str, branch: int | None = None, **fields: int) -> Emulation:
        """Trap on a privileged instruction."""
        return self.trap(11, insn(name, **fields), branch=branch)

    def mtc0(self, register: type[Register], value: int) -> Emulation:
        self.vcpu.gpr[8] = value
        rd, sel = register.number
        return self.cp0("mtc0", rt=8, rd=rd, sel=sel)

    def mfc0(self, register: type[Register]) -> int:
        rd, sel = register.number
        assert self.cp0("mfc0", rt=8, rd=rd, sel=sel) is Emulation.DONE
        return self.vcpu.gpr[8]

    def write_tlb(self, name: str, entry: Entry, index: int = 0) -> Emulation:
        for register, value in ((Index, index), (PageMask, entry.page_mask), (EntryHi, entry.entry_hi),
                                (EntryLo0, entry.entry_lo0), (EntryLo1, entry.entry_lo1)):
            self.cop0[register] = value
        return self.cp0(name)

    @property
    def exc_code(self) -> int:
        return Cause.ExcCode.of(self.cop0[Cause])


def insn(name: str, **fields: int) -> int:
    encoding = ENCODINGS[name]
    return encoding.join(**{f.name: fields.get(f.name, 0) for f in encoding.fields})
