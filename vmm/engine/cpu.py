"""One CPU for Python: its registers, its CP0 files, its TLBs, and ``run``."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vmm.arch.cp0.cells import LEGACY_SEGMENTS
from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import MAAR, Cause, IntCtl, PerfCtl0, WatchLo
from vmm.arch.exceptions import RESET_VECTOR
from vmm.arch.models import CpuModel
from vmm.arch.rows import RELEASE_6
from vmm.arch.state import BREAK_CAPACITY, GUEST_FILE, OFFSET, ROOT_FILE, SKIP_BREAKS, WATCH_CAPACITY
from vmm.arch.stops import WATCHED_LOAD, WATCHED_STORE, Stop
from vmm.engine.engine import Engine
from vmm.engine.store import Memory, State
from vmm.engine.tlb import Tlb as Tlb
from vmm.engine.tlb import TlbEntry as TlbEntry
from vmm.errors import ConfigError

MASK = (1 << 64) - 1
NEVER = 1 << 62
UNTIL, STEP, STOP_VALUE, IO_READY, TICKS, PC, IN_SLOT, FORBIDDEN, IRQ_LINES = (
    OFFSET[name] for name in ("until", "step", "stop_value", "io_ready", "ticks", "pc", "in_slot", "forbidden",
                              "irq_lines"))
MAAR_BOUNDS = 16


@dataclass(frozen=True, slots=True)
class Watch:
    """A watchpoint: the addresses from ``first`` to ``last``, for loads, stores or both."""
    first: int
    last: int
    load: bool
    store: bool


class Gpr:
    """``gpr[n]``; register 0 stays zero."""

    def __init__(self, state: State) -> None:
        self._words = state.words

    def __getitem__(self, number: int) -> int:
        return self._words[number]

    def __setitem__(self, number: int, value: int) -> None:
        if number:
            self._words[number] = value & MASK

    def __len__(self) -> int:
        return 32

    def __iter__(self) -> Iterator[int]:
        return iter(self._words[:32])


class Cp0File:
    """The CP0 registers of one context, raw, by register class."""

    def __init__(self, cpu: Cpu, base: int) -> None:
        self._cpu, self._base = cpu, base

    def __getitem__(self, register: type[Register]) -> int:
        return self._cpu.state.words[self._base + register.index]

    def __setitem__(self, register: type[Register], value: int) -> None:
        self._cpu.state.words[self._base + register.index] = value & MASK

    def has(self, register: type[Register]) -> bool:
        present = "root_present" if self._base == ROOT_FILE else "guest_present"
        return self._cpu.state.array(present)[register.index] != 0


class Cpu:
    """A CPU of a machine.  Time is ``ticks``: one for each instruction tried, and those that WAIT skipped."""

    def __init__(self, model: CpuModel, number: int, big_endian: bool, memory: Memory, engine: Engine,
                 global_number: int = 0) -> None:
        self.model, self.number, self.big_endian, self.engine = model, number, big_endian, engine
        self._global_number = global_number
        self.state = State()
        self.gpr = Gpr(self.state)
        self.root, self.guest = Cp0File(self, ROOT_FILE), Cp0File(self, GUEST_FILE)
        self.tlb = Tlb(self, "root_tlb", model.tlb_entries, model.ftlb_entries)
        self.guest_tlb = Tlb(self, "guest_tlb", model.guest_tlb_entries, model.guest_ftlb_entries)
        memory.show(self.state)
        self._describe_model()
        engine.attach(self.state)
        self.reset()

    def _describe_model(self) -> None:
        model, state = self.model, self.state
        state.core64 = int(model.bits == 64)
        state.tlb_mark, state.core_first, state.core_cpus = 1, self.number, 1
        state.release6 = int(model.release >= RELEASE_6)
        state.has_vz = int("VZ" in model.ases)
        for name in ("tlb_size", "vtlb_size"):
            state.array(name)[0], state.array(name)[1] = model.tlb_entries, model.guest_tlb_entries
        capacity = state.array("ftlb_capacity")
        capacity[0], capacity[1] = model.ftlb_entries, model.guest_ftlb_entries
        state.ftlb_largest_page = model.ftlb_largest_page
        state.asid_mask, state.vpn_mask, state.pfn_mask = model.asid_mask, model.vpn_mask, model.pfn_mask
        state.guest_ids = model.guest_id_mask
        state.fir, state.fcsr_writable = model.fir, model.fcsr_writable
        state.segment_excess = (1 << 62) - (1 << model.segbits) if model.bits == 64 else 0
        state.physical_excess = (1 << 59) - (1 << model.pabits)
        state.xcontext_r = model.xcontext_region_bit
        state.msair = model.msair
        state.count_shift = model.ccres.bit_length() - 1
        state.ccres, state.synci_step = model.ccres, model.synci_step
        tables = {"root_writable": model.root_write_mask(), "guest_writable": model.guest_write_mask(),
                  "mtgc0_writable": model.guest_root_write_mask(), "guest_sensitive": model.guest_trap_mask()}
        for name, table in tables.items():
            self._fill(name, table)
        for name, indices in (("root_present", model.implemented), ("guest_present", model.guest_implemented)):
            self._fill(name, [MASK if n in indices else 0 for n in range(256)])
        state.watch_pairs = sum(issubclass(register, WatchLo) for register in model.root)
        state.perf_counters = sum(issubclass(register, PerfCtl0) for register in model.root)
        state.perf_cycles, state.perf_instructions = model.cycles_event, model.instructions_event
        state.maar_count = MAAR_BOUNDS if MAAR in model.root else 0
        from vmm.arch.cp0.registers import PageMask
        state.page_mask_bits = model.write_mask(PageMask)

    def _fill(self, name: str, values: Iterable[int]) -> None:
        slots = self.state.array(name)
        for n, value in enumerate(values):
            slots[n] = value & MASK

    def reset(self, at: int = RESET_VECTOR) -> None:
        """Cold reset: registers and TLBs empty, CP0 as the model says, at the reset vector, beside which ``BEV`` has the
        other vectors."""
        state = self.state
        for n in range(OFFSET["next_pc"]):
            state.words[n] = 0
        self._fill("root_cp0", self.model.root_reset(big_endian=self.big_endian, cpu=self.number,
                                                     global_number=self._global_number))
        self._fill("guest_cp0", self.model.guest_reset(big_endian=self.big_endian, cpu=self.number))
        for file in (self.root, self.guest):
            for register, layout in LEGACY_SEGMENTS.items():
                if not file.has(register):
                    file[register] = layout            # software does not see it, translation does
        self.tlb.erase()
        self.guest_tlb.erase()
        fpr = state.array("fpr")
        for n in range(len(fpr)):
            fpr[n] = 0
        state.fcsr, state.fp_last = self.model.fcsr, 0
        for name in ("eic_vector", "eic_set", "llbit", "halted", "irq_lines", "nmi", "guest_ip", "trap", "stop", "io_ready",
                     "skip_break"):
            setattr(state, name, 0)
        self.set_eic_levels(IntCtl.IPTI.of(self.root[IntCtl]), IntCtl.IPPCI.of(self.root[IntCtl]), 0, 0)
        state.random_seed = 1
        state.perf_at, state.perf_tick = NEVER, state.ticks
        state.perf_idle, state.perf_trapped = state.idle_ticks, state.trapped
        for n in range(len(state.array("maar"))):
            state.array("maar")[n] = 0
        self.pc = state.boot_base = at
        self.engine.service(state, "update_ftlb")
        self.refresh()

    # -- looking and changing ------------------------------------------------------------------------------------------
    @property
    def pc(self) -> int:
        return self.state.words[PC]

    @pc.setter
    def pc(self, value: int) -> None:
        words = self.state.words
        words[PC], words[IN_SLOT], words[FORBIDDEN] = value & MASK, 0, 0

    @property
    def hi(self) -> int:
        return self.state.hi

    @hi.setter
    def hi(self, value: int) -> None:
        self.state.hi = value

    @property
    def lo(self) -> int:
        return self.state.lo

    @lo.setter
    def lo(self, value: int) -> None:
        self.state.lo = value

    @property
    def ticks(self) -> int:
        return self.state.words[TICKS]

    @property
    def retired(self) -> int:
        """Instructions tried so far: ticks without those that WAIT skipped."""
        return self.state.ticks - self.state.idle_ticks

    @property
    def halted(self) -> bool:
        """It waits, and no line was raised since it last looked, nor an NMI."""
        return self.state.halted != 0 and not self.state.irq_lines & ~self.root[Cause] and not self.state.nmi

    @property
    def next_event(self) -> int:
        """The tick of the next match of Compare or overflow of a counter."""
        return min(*self.state.array("compare_at"), self.state.perf_at)

    @property
    def in_guest(self) -> bool:
        self.refresh_mode()
        return self.state.in_guest != 0

    def refresh_mode(self) -> None:
        """Derive mode, privilege and address space again after CP0 was changed from Python."""
        self.engine.service(self.state, "update_mode")

    def refresh(self) -> None:
        """The same, and the timers' next events."""
        self.refresh_mode()
        self.engine.service(self.state, "schedule")
        if self.state.watch_pairs:
            self.engine.service(self.state, "update_watches")
        if self.state.perf_counters:
            self.engine.service(self.state, "update_counters")

    @property
    def count(self) -> int:
        """Root Count now."""
        return self.engine.service(self.state, "root_count")

    def move_from(self, register: type[Register], *, guest: bool = False) -> int:
        """The register as MFC0 (``guest``: MFGC0) of the root kernel would see all of it."""
        return self.engine.service(self.state, "move_from_guest" if guest else "move_from", register.index)

    def move_to(self, register: type[Register], value: int, *, guest: bool = False) -> None:
        """As MTC0 or MTGC0 of the root kernel: write masks and side effects included."""
        self.engine.service(self.state, "move_to_guest" if guest else "move_to", register.index, value & MASK)

    def forget(self) -> None:
        """Drop what the engine remembers of this CPU's translations."""
        self.engine.forget_translations(self.state)

    def set_interrupt(self, line: int, up: bool) -> None:
        """Raise or lower hardware interrupt line 2..7, as Cause.IP numbers them."""
        if not 2 <= line <= 7:
            raise ValueError(f"interrupt line {line}: hardware lines are 2 to 7")
        bit, words = 1 << 8 + line, self.state.words
        words[IRQ_LINES] = words[IRQ_LINES] | bit if up else words[IRQ_LINES] & ~bit

    def pass_time(self, until: int) -> None:
        """Let time go by without an instruction, but not past a match of Compare that is still to come."""
        state = self.state
        matches = [at for at in state.array("compare_at") if at > state.ticks]
        until = min([until, *matches])
        if until > state.ticks:
            state.idle_ticks += until - state.ticks
            state.ticks = until

    def set_external_interrupt(self, level: int, vector: int = 0, shadow_set: int = 0) -> None:
        """What an external interrupt controller requests (Config3.VEIC): level 0 to 63, 0 for nothing."""
        if not 0 <= level < 64 or not 0 <= shadow_set < 16:
            raise ValueError(f"level {level}, set {shadow_set}: levels are 0 to 63, shadow sets 0 to 15")
        self.state.irq_lines = level << 10
        self.state.eic_vector, self.state.eic_set = vector, shadow_set

    def set_eic_levels(self, timer: int, counters: int, software0: int, software1: int) -> None:
        """What the controller requests for the core's own interrupts while they are there: levels as above."""
        levels = self.state.array("eic_levels")
        for number, level in enumerate((timer, counters, software0, software1)):
            levels[number] = level

    # -- running ------------------------------------------------------------------------------------------------------
    def run(self, until: int = NEVER) -> Stop:
        """Run until ``ticks`` is ``until``, or until something needs somebody."""
        words = self.state.words                           # each access to a device comes by
        words[UNTIL], words[STEP] = until, 0
        return self.engine.run(self.state)

    def step(self) -> Stop:
        """Execute one instruction, or enter one exception or interrupt, whatever is next; breakpoints are passed, and with
        ``skip_break`` set to SKIP_ALL watchpoints too."""
        self.state.until, self.state.step, self.state.skip_break = NEVER, 1, self.state.skip_break | SKIP_BREAKS
        stop = self.engine.run(self.state)
        self.state.step = 0
        return stop

    def complete_load(self, value: int) -> None:
        """Answer the LOAD that stopped; the next run executes the instruction again and takes the value."""
        words = self.state.words
        words[STOP_VALUE], words[IO_READY] = value & MASK, 1

    def complete_store(self) -> None:
        self.state.io_ready = 1

    def bus_error(self) -> None:
        """Answer a LOAD or STORE with a bus error exception."""
        from vmm.arch.exceptions import ExcCode
        self.state.trap = ExcCode.DBE + 1

    # -- debugging -----------------------------------------------------------------------------------------------------
    def set_breaks(self, addresses: Iterable[int]) -> None:
        """Stop before instructions at these virtual addresses, in whatever address space."""
        wanted = sorted({a & MASK for a in addresses})
        if len(wanted) > BREAK_CAPACITY:
            raise ConfigError(f"{len(wanted)} breakpoints: at most {BREAK_CAPACITY} fit")
        self.state.break_count = len(wanted)
        breaks, bits = self.state.array("breaks"), self.state.array("break_bits")
        for n in range(len(bits)):
            bits[n] = 0
        for n, address in enumerate(wanted):
            breaks[n] = address
            word = address >> 2 & 1023
            bits[word >> 6] |= 1 << (word & 63)
        self.engine.forget()

    def set_watches(self, watches: Iterable[Watch]) -> None:
        """Stop before accesses to these virtual addresses."""
        wanted = list(watches)
        if len(wanted) > WATCH_CAPACITY:
            raise ConfigError(f"{len(wanted)} watchpoints: at most {WATCH_CAPACITY} fit")
        slots = self.state.array("watches")
        for n, w in enumerate(wanted):
            slots[3 * n], slots[3 * n + 1] = w.first, w.last
            slots[3 * n + 2] = w.load * WATCHED_LOAD | w.store * WATCHED_STORE
        self.state.watch_count = len(wanted)
        self.forget()
