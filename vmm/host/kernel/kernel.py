"""The host kernel: boots the CPUs, owns memory and tasks, and flushes.

Invariant: everything that MIPS code reads is in simulated RAM, the code itself too (``text``); everything else is here.
(rows HM-5, HM-52; mips.md 5.2)
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Protocol

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import (
    EPC,
    Cause,
    Compare,
    Config,
    Config3,
    Config4,
    Config6,
    Context,
    Count,
    EBase,
    EntryHi,
    HWREna,
    PageGrain,
    PageMask,
    Status,
    Wired,
)
from vmm.arch.models import CpuModel
from vmm.engine.cpu import TlbEntry
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.calls import CrossCall
from vmm.host.kernel.contexts import Mm, SteppedContexts, mm_bytes
from vmm.host.kernel.costs import FREE, Costs
from vmm.host.kernel.cpu import Cpu, Ram
from vmm.host.kernel.flush import Flush, Flusher, Wanted
from vmm.host.kernel.hostcpu import HostCpu
from vmm.host.kernel.layout import (
    CALL_FRAME,
    KSCRATCH,
    PAGE_GRAIN_RIXI,
    TI_CPU,
    HostFeatures,
    ThreadInfo,
    read_features,
)
from vmm.host.kernel.memory import NoMemory, PageAllocator, kernel_address, physical_address
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.mmu import KernelMmu, probe_mmids
from vmm.host.kernel.pagetable import Geometry, InvalidTables, PageTable, Pte, entry_lo
from vmm.host.kernel.refill import POINTER_SHIFT
from vmm.host.kernel.scheduler import IPI_LINE, TIMER_LINE, Scheduler
from vmm.host.kernel.steps import Call, Program, Step, drain
from vmm.host.kernel.switch import Switch
from vmm.host.kernel.tasks import Body, Task, Wait, Want
from vmm.host.kernel.text import PGD_CURRENT, RESERVED, KernelText
from vmm.host.kernel.tlb import HostTlb
from vmm.host.machine.turns import QUANTUM_TICKS

RA, SP, GP, V0, A0, A1 = 31, 29, 28, 2, 4, 5
CACHED_COHERENCY = 3


class Machine(Protocol):
    @property
    def model(self) -> CpuModel: ...
    @property
    def cpus(self) -> Any: ...  # a sequence of Cpu; the machine's own class
    @property
    def ram(self) -> Any: ...  # Ram, with its ``size``
    @property
    def big_endian(self) -> bool: ...
    @property
    def ns_per_tick(self) -> int: ...
    @property
    def topology(self) -> Any: ...  # which CPUs are siblings
    @property
    def retired(self) -> int: ...


class Kernel:
    """One host's; ``quantum`` and ``seed`` are those of ``Turns``, ``slice_ticks`` and ``migrate`` the scheduler's;
    ``mmids``: use MMIDs if the CPUs have them, else ASIDs (HM-7)."""

    def __init__(self, machine: Machine, *, page_shift: int = 14, quantum: int = QUANTUM_TICKS,
                 seed: int = 0, mmids: bool = False, slice_ticks: int = 0, migrate: int = 0, costs: Costs = FREE) -> None:
        self.machine, self.model = machine, machine.model
        self.cpus: list[Cpu] = [HostCpu(cpu) for cpu in machine.cpus]
        self.ram: Ram = machine.ram
        self.big_endian = machine.big_endian
        self.ns_per_tick = machine.ns_per_tick
        self.features = self._features()
        self.word = self.features.word
        self.geometry = Geometry(page_shift, self.word)
        self.pages = PageAllocator(self.ram, machine.ram.size, page_shift, RESERVED)
        self.invalid = InvalidTables(self.pages, self.geometry)
        self._slab: list[int] = [0, 0]  # next free byte, end
        self._dead_mms: list[Mm] = []
        self.mmid_bits = probe_mmids(self.cpus, wanted=mmids, word=self.word)
        self.tlbs = [HostTlb(cpu, page_shift, TlbEntry, self._pgd_setter(n), tlbinv=self.features.tlbinv,
                             by_mmid=bool(self.mmid_bits)) for n, cpu in enumerate(self.cpus)]
        self.mmu_counts: Counter[str] = Counter()
        self.mmus = [KernelMmu(tlb, self._invalidate_for_all, self.mmu_counts, costs) for tlb in self.tlbs]
        self.contexts: SteppedContexts = (
            MmidContexts(self.mmus, bits=self.mmid_bits, siblings=self._lenders()) if self.mmid_bits
            else AsidContexts(self.mmus))
        self._open_calls: list[list[CrossCall]] = [[] for _ in self.cpus]
        self.flusher = Flusher(self.contexts, self.mmus, page_shift)
        self.text = KernelText(self.ram, self.model, self.features, self.geometry, big_endian=self.big_endian)
        self.scheduler = Scheduler(self.cpus, self.ns_per_tick, is_budget=is_stop("BUDGET", "IDLE"),
                                   is_debug=is_stop("BREAK", "WATCH", "STEP"), quantum=quantum, seed=seed,
                                   slice_ticks=slice_ticks, migrate=migrate)
        self.switch = Switch(self.cpus, self.ram, self.word, self.text.symbols["resume"], self.text.symbols["switched"],
                             [self.alloc_small(ThreadInfo(self.word).size) for _ in self.cpus])
        self.scheduler.switch_in, self.scheduler.switch_out = self._switch_in, self.switch.leave
        self.scheduler.gone = self._gone
        self.starting, self.dying = list[Callable[[int], None]](), list[Callable[[int], None]]()  # of CPUs
        self.init_mm = self.new_mm()
        for number in range(len(self.cpus)):
            self._boot(number)

    # Memory

    def alloc_small(self, size: int) -> int:
        """Zeroed kernel memory of less than a page, aligned to 16; never given back."""
        size = (size + 15) & -16
        if self._slab[0] + size > self._slab[1]:
            page = self.pages.alloc(-(-size // self.pages.page_size))
            self._slab = [page, page + -(-size // self.pages.page_size) * self.pages.page_size]
        address = self._slab[0]
        self._slab[0] += size
        return address

    def new_table(self) -> PageTable:
        return PageTable(self.pages, self.geometry, self.invalid)

    def new_mm(self) -> Mm:
        """An address space with an empty table and no ASID."""
        cpus, table = len(self.cpus), self.new_table()
        try:
            place = self._place_of_mm(cpus)
        except NoMemory:
            table.free()
            raise
        return Mm(self.ram, place, table, cpus, one_word=self.contexts.global_ids)

    def free_mm(self, mm: Mm) -> None:
        """Nobody has it any more, though a CPU that idles may have it loaded still; then its place stays taken."""
        mm.table.free()
        self._dead_mms.append(mm)

    def _place_of_mm(self, cpus: int) -> int:
        loaded = [mmu.loaded() for mmu in self.mmus]
        for dead in self._dead_mms:
            if dead not in loaded:
                self._dead_mms.remove(dead)
                return dead.address
        return self.alloc_small(mm_bytes(cpus))

    def invalidate(self, cpu: int, mm: Mm, va: int) -> None:
        """Drop this CPU's entry for the page pair of ``va`` (TL-2); nothing to do if the mm never ran here."""
        if mm.context(cpu):
            self.tlbs[cpu].flush_page(va, self.contexts.tag(cpu, mm))

    def update_mmu_cache(self, cpu: int, mm: Mm, va: int) -> bool:
        """After a TLB miss: put the pair of ``va`` into this CPU's TLB (HM-50); false where nothing is mapped."""
        size = self.pages.page_size
        if not mm.table.get(va) & Pte.VALID:
            return False
        los = [entry_lo(mm.table.get((va & -2 * size) + n * size), rixi=self.features.rixi) for n in (0, 1)]
        self.tlbs[cpu].fill(va, self.contexts.tag(cpu, mm), *los)
        return True

    def _invalidate_for_all(self, va: int, how: int, mmid: int) -> None:
        for cpu in self.cpus:
            cpu.invalidate_for_all(va, how, mmid)

    # Tasks and calls

    def spawn(self, name: str, body: Callable[[Task], Body], affinity: frozenset[int] | None = None) -> Task:
        """A task with its own stack page; the thread info lies at the page's lower end."""
        page = self.pages.alloc()
        task = self.scheduler.spawn(name, _not_started(), kernel_address(page),
                                    kernel_address(page) + self.pages.page_size - 64, affinity)
        self.switch.prepare(task, self.kernel_status, self.text.symbols["returned"])
        task.body = body(task)
        return task

    def bury(self, task: Task) -> None:
        """Give back the stack of a task that is done."""
        self.pages.free(physical_address(task.thread_info))

    def cpu_of(self, task: Task) -> tuple[int, Cpu]:
        if task.cpu is None:
            raise AssertionError(f"task {task.name} does things while it has no CPU")
        return task.cpu, self.cpus[task.cpu]

    def start_call(self, task: Task, address: int, a0: int = 0, a1: int = 0) -> None:
        """Set up a call of generated code from C; it is over when the RETURNED door opens."""
        _, cpu = self.cpu_of(task)
        cpu.gpr[A0], cpu.gpr[A1] = a0, a1
        cpu.gpr[SP], cpu.gpr[GP] = task.stack_top - CALL_FRAME, task.thread_info
        cpu.gpr[RA] = self.text.symbols["returned"]
        cpu.pc = address

    def flush(self, cpu: int, what: Flush, wanted: Wanted) -> None:
        """For code that runs on ``cpu``.  When this is over no TLB has what was asked to go; a task then must
        ``await_answers``."""
        self._withdraw_refills()
        self.mmu_counts[f"flush {what.value}"] += 1
        program, answer, core = self.flusher.flushing(cpu, what, wanted), None, self.cpus[cpu]
        before = core.ticks
        while (step := _next_step(program, answer)) is not None:
            if isinstance(step, Call):
                self._ask(cpu, step)
            answer = None if isinstance(step, Call) else step.perform()
        self.mmu_counts["flush_ticks"] += core.ticks - before

    def _withdraw_refills(self) -> None:
        """An IPI would come to a CPU in its refill handler when that is over, and GINVT does not wait for it at all; here
        the handler begins again, so that no PTE that it has read outlives the flush.  The CPU that asks can be in its
        handler, too: where a debugger has stopped it and writes to a page."""
        for core in self.cpus:
            if core.pc in self.text.refill and core.root[Status] & Status.EXL.mask:
                core.pc = core.root[EPC]
                core.mtc0(Status, core.root[Status] & ~Status.EXL.mask)

    def _ask(self, cpu: int, call: Call) -> None:
        work = {other: self.mmus[other].owed(partial(drain, call.program(other))) for other in call.cpus}
        self._open_calls[cpu].append(self.scheduler.calls.ask(cpu, work))

    def await_answers(self, task: Task) -> Generator[Want, Any, None]:
        """For the body of a task, before it goes on in user mode, sleeps or ends: until the CPUs that its flushes concern
        have been interrupted and have answered."""
        cpu, core = self.cpu_of(task)
        before, calls = core.ticks, self._open_calls[cpu]
        while calls:
            yield Wait(calls.pop())
        self.mmu_counts["flush_ticks"] += core.ticks - before

    def serve_interrupts(self, cpu: int) -> None:
        """What happens when C enables interrupts: IPIs and timer interrupts of the host are served."""
        self.scheduler.serve_interrupts(cpu)
        core = self.cpus[cpu]
        if core.timer_matched:
            core.mtc0(Compare, core.mfc0(Count) - 1 & 0xFFFFFFFF)

    @property
    def count_hz(self) -> int:
        """Frequency of the CPUs' Count."""
        return 1_000_000_000 // (self.ns_per_tick << int(self.cpus[0].state.count_shift))

    def now_ns(self) -> int:
        return self.scheduler.now_ns()

    def cpu_down(self, cpu: int) -> None:
        """Its tasks go elsewhere, while the machine runs; when it has none it is off (``scheduler.online``)."""
        self.scheduler.take_down(cpu)

    def _gone(self, cpu: int) -> None:
        for call in self.dying:
            call(cpu)
        drain(self.flusher.stopping(cpu, self.init_mm))

    def cpu_up(self, cpu: int) -> None:
        """Power, and all that a CPU does at boot; what it had before is lost."""
        self.scheduler.bring_up(cpu)
        self.cpus[cpu].reset()
        probe_mmids([self.cpus[cpu]], wanted=bool(self.mmid_bits), word=self.word)
        self._boot(cpu)
        for call in self.starting:
            call(cpu)

    # Boot

    def _features(self) -> HostFeatures:
        configs: dict[type[Register], int] = {r: self.cpus[0].root[r] for r in (Config, Config3, Config4)}
        return read_features(configs, self.model.write_mask(EBase))

    def _lenders(self) -> list[tuple[int, ...]]:
        """For each CPU those whose FTLB entries it uses (HM-36)."""
        cores = [self.machine.topology.siblings(cpu) for cpu in range(len(self.cpus))]
        return [tuple(other for other in core if other != cpu and self.model.lends_ftlb_entries)
                for cpu, core in enumerate(cores)]

    def _pgd_setter(self, number: int) -> Callable[[int], None]:
        """The kernel's own way to set this CPU's page directory; the generated one is ``setup_pgd``."""
        pgd = self.features.scratch.pgd
        if pgd is None:
            address = PGD_CURRENT + number * self.word
            mask = (1 << 8 * self.word) - 1
            return lambda value: self.ram.store(address, self.word, value & mask)
        register = next(r for r in KSCRATCH if r.number == pgd)
        return lambda value: self.cpus[number].mtc0(register, value)

    @property
    def kernel_status(self) -> int:
        """Status while C runs."""
        wide = Status.KX.mask | Status.SX.mask | Status.UX.mask if self.word == 8 else 0
        return Status.CU0.mask | (1 << IPI_LINE | 1 << TIMER_LINE) << Status.IM.low | wide

    def _boot(self, number: int) -> None:
        cpu = self.cpus[number]
        for register, value in (
            (Status, self.kernel_status),
            (EBase, self.text.plan.host_ebase),
            (Cause, Cause.IV.mask),
            (Config, cpu.root[Config] & ~Config.K0.mask | CACHED_COHERENCY << Config.K0.low),
            (Wired, 0),
            (PageMask, (1 << self.geometry.page_shift + 1) - 1 & ~0x1FFF),
            (PageGrain, PAGE_GRAIN_RIXI if self.features.rixi else 0),
            (HWREna, self.text.plan.hwrena),
            (EntryHi, 0),
            (Context, number * self.word << POINTER_SHIFT),
        ):
            cpu.mtc0(register, value)
        self._switch_ftlb_on(cpu)
        drain(self.flusher.starting(number))
        self.contexts.switch(number, self.init_mm)
        cpu.pc = self.text.symbols["returned"]              # in C, with nothing called

    def _switch_ftlb_on(self, cpu: Cpu) -> None:
        """If there is one, for pages of the kernel's size; what is written to a register that is not there is lost."""
        cpu.mtc0(Config6, cpu.mfc0(Config6) | Config6.FTLBEn.mask)
        size = (self.geometry.page_shift - 12 >> 1) + 1
        cpu.mtc0(Config4, cpu.mfc0(Config4) & ~Config4.FTLBPageSize.mask | Config4.FTLBPageSize.at(size))

    def _switch_in(self, cpu: int, task: Task) -> None:
        self.ram.store(physical_address(task.thread_info) + TI_CPU, 4, cpu)
        self.switch.enter(cpu, task)


def is_stop(*names: str) -> Callable[[Any], bool]:
    """A test of the engine's Stop by name."""
    wanted = frozenset(names)
    return lambda stop: stop.name in wanted


def _next_step(program: Program[None], answer: Any) -> Step | None:
    try:
        return program.send(answer)
    except StopIteration:
        return None


def _not_started() -> Body:
    """Stands in for a body until the task that it belongs to exists."""
    return
    yield
