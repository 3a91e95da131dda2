"""Running between two stops: in slices, so that the debugger's interrupt is seen within milliseconds.

Breakpoints of the machine count while a CPU executes host code, those of the guest while it executes the guest; a stop
of the engine that means neither is passed without a word.  A host thread steps one instruction of its CPU, whatever it
executes; a guest thread from one guest instruction to the next, exits included, and so a thread of a user program.

GDB takes it that a MIPS machine stops before the access that a watchpoint sees, and has the thread step over it.  What the
kernel stores for a program, which no CPU executes, has happened when the thread stops, on its way back from the system call
or to a signal's handler: its next step is what is left of that way.  Stores of devices are no CPU's, and never seen.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from vmm.arch.state import SKIP_ALL, SKIP_BREAKS
from vmm.arch.stops import WATCHED_STORE, Stop
from vmm.debug.ending import Endings
from vmm.debug.plan import Plan, make_plan
from vmm.debug.points import Points
from vmm.debug.worlds import HOST, Worlds, cpu_thread, program_file, program_thread
from vmm.engine.cpu import Watch
from vmm.gdbstub.target import (
    SIGINT,
    SIGTRAP,
    Action,
    Execed,
    Forked,
    RangeStep,
    StopEvent,
    Stopped,
    ThreadId,
)

SLICE_TICKS = range(4_000, 40_001)
"""Of free running: the shortest and longest.  A slice grows while the guest computes, and is short while it exits."""
BARE_SLICE_TICKS = 20_000
"""On the bare machine, where nobody counts how often Python is needed."""
MOST_EXITS = 8
"""In a slice, about a millisecond."""
SLICE_STEPS = 500
"""Of running instruction by instruction."""
HELD = "guest entry held: resume the guest's threads too (set schedule-multiple on), or detach it\n"


class Execution:
    def __init__(self, worlds: Worlds, endings: Endings) -> None:
        self.worlds, self.system, self.endings = worlds, worlds.system, endings
        self.cpus = self.system.machine.cpus
        self.points = Points(self.system.machine.model.bits)
        self.said: list[str] = []
        self.tampered = False
        """Somebody changed a register or memory."""
        self._plan: Plan | None = None
        self._interrupted, self._attached = False, frozenset[int]()
        self._installed: tuple[frozenset[int], tuple[Watch, ...]] = frozenset(), ()
        self._fresh: set[int] = set()       # CPUs that have not moved since the resume: GDB knows where they stand
        self._journey: _Journey | None = None
        self._stored_for: ThreadId | None = None       # the thread whose stop was for a store of the kernel
        self._ticks, self._exits = SLICE_TICKS[0], 0
        if self.worlds.userland is not None:
            self.worlds.userland.is_watched = partial(self.points.access, is_store=True)

    # -- what the stub calls ---------------------------------------------------------------------------------
    def resume(self, actions: Mapping[ThreadId, Action], *, attached: Collection[int]) -> None:
        """``attached``: the processes that are debugged."""
        self._interrupted, self._attached = False, frozenset(attached)
        if not actions:
            actions = {cpu_thread(0): RangeStep(0, 0)}
        self._plan = make_plan(actions, len(self.cpus), [vcpu for vcpu in self.worlds.guests if vcpu.pid in attached])
        self._fresh = set(range(len(self.cpus)))
        stepping, self._journey = self._plan.stepping, None
        if stepping is not None and stepping == self._stored_for and not self.worlds.has_ended(stepping):
            self._journey = _Journey(self.worlds.program(stepping).pc, executed=True)
        self._stored_for = None
        self._install(self._plan)

    def interrupt(self) -> None:
        self._interrupted = True

    def run_slice(self) -> StopEvent | None:
        plan = self._plan
        assert plan is not None, "run_slice before resume"
        if (end := self.endings.next()) is not None:
            return self._told(end)
        if self._interrupted:
            return Stopped(plan.first, SIGINT)
        event = self._guarded_slice(plan) or self._birth() or self._store()
        if event is None and (end := self.endings.next()) is not None:
            return self._told(end)
        return event

    def _birth(self) -> Stopped | None:
        """A process that is debugged has forked, or executes another program."""
        births = [] if self.worlds.userland is None else self.worlds.userland.births
        while births:
            thread, child = births.pop(0)
            if thread.process.pid in self.endings.followed:
                return Stopped(program_thread(thread), SIGTRAP, Execed(program_file(thread.process.program.path))
                               if child is None else Forked(program_thread(child)))
        return None

    def _store(self) -> Stopped | None:
        """The kernel has stored something into watched memory, as a part of a system call or for a signal."""
        stores = [] if self.worlds.userland is None else self.worlds.userland.stores
        while stores:
            thread, hit = stores.pop(0)
            stopped = program_thread(thread)
            where = self._survivor(stopped) if self.worlds.has_ended(stopped) else Stopped(stopped)
            if where is not None:
                self._stored_for = where.thread
                return Stopped(where.thread, SIGTRAP, hit)
        return None

    def _told(self, end: StopEvent) -> StopEvent:
        self.said.append(self.endings.take_text())
        return end

    def _guarded_slice(self, plan: Plan) -> StopEvent | None:
        """A debugger may write what it likes into the host; then its kernel fails, and not the program around it."""
        try:
            return self._slice(plan)
        except Exception as failure:
            if not self.tampered:
                raise
            self.endings.panic(failure)
            return None

    def _slice(self, plan: Plan) -> StopEvent | None:
        if plan.stepping is None:
            return self._step_all(plan) if plan.one_by_one else self._run(plan)
        if plan.stepping.pid == HOST:
            return self._step_host(plan, plan.stepping)
        return self._step_program(plan, plan.stepping)

    # -- breakpoints -----------------------------------------------------------------------------------------
    def _install(self, plan: Plan) -> None:
        """Tell the CPUs what they do not know yet; telling costs them what they have decoded."""
        breaks = frozenset(self.points.breaks() | set(self._entries(plan)))
        watches = tuple(self.points.watches())
        if (breaks, watches) == self._installed:
            return
        for cpu in self.cpus:
            cpu.set_breaks(breaks)
            cpu.set_watches(watches)
        self._installed = breaks, watches

    def _entries(self, plan: Plan) -> Iterator[int]:
        for vcpu in sorted(plan.held):
            yield self.worlds.entry(vcpu)

    def _break_at(self, cpu: int) -> Stopped | None:
        """A breakpoint of the right world or process, before the instruction at pc."""
        thread = self.worlds.thread_on(cpu)
        hit = self.points.hit(thread.pid, self.cpus[cpu].pc)
        return None if hit is None else Stopped(thread, SIGTRAP, hit)

    def _watched(self, cpu: int) -> Stopped | None:
        """A watchpoint of the right process that the access meets before which the CPU has stopped."""
        thread, state = self.worlds.thread_on(cpu), self.cpus[cpu].state
        hit = self.points.access(thread.pid, state.stop_address, state.stop_size, is_store=state.stop_code == WATCHED_STORE)
        return None if hit is None else Stopped(thread, SIGTRAP, hit)

    # -- the guests that must not run ------------------------------------------------------------------------
    def _would_run_held(self, plan: Plan, cpu: int) -> bool:
        """The next instruction of the CPU is one of a held guest, or the one that enters it."""
        if not plan.held:
            return False
        if (vcpu := self.worlds.guest_on(cpu)) is not None:
            return vcpu in plan.held
        return self.cpus[cpu].pc in self._entries(plan)

    def _held(self, cpu: int) -> Stopped:
        self.said.append(HELD)
        return Stopped(cpu_thread(cpu), 0)

    # -- free ------------------------------------------------------------------------------------------------
    def _run(self, plan: Plan) -> StopEvent | None:
        for cpu in plan.cpus:
            if self._would_run_held(plan, cpu):
                return self._held(cpu)
        until = min(cpu.ticks for cpu in self.cpus) + self._slice_ticks()
        while not self.endings.over and min(cpu.ticks for cpu in self.cpus) < until:
            found = self.system.run(until)
            if found is None:
                return None                            # the slice is over, or there was a birth
            event = self._meaning(plan, found.cpu, found.stop)
            if event is not None:
                return event
            self.cpus[found.cpu].state.skip_break = SKIP_ALL if found.stop is Stop.WATCH else SKIP_BREAKS
        return None

    def _slice_ticks(self) -> int:
        """By what the guest did in the slice before, not by a clock: a debugged run is like any other."""
        if not self.worlds.vms:
            return BARE_SLICE_TICKS
        exits = sum(sum(vm.exits.values()) for vm in self.worlds.vms.values())
        calm = exits - self._exits <= MOST_EXITS
        self._exits = exits
        self._ticks = min(self._ticks * 2, SLICE_TICKS[-1]) if calm else SLICE_TICKS[0]
        return self._ticks

    def _meaning(self, plan: Plan, cpu: int, stop: Stop) -> Stopped | None:
        if stop is Stop.WATCH:
            return self._watched(cpu)
        event = self._break_at(cpu)
        if event is None and self._would_run_held(plan, cpu):
            return self._held(cpu)
        return event

    # -- instruction by instruction --------------------------------------------------------------------------
    def _advance(self, cpu: int) -> Stopped | None:
        """One instruction of a CPU, unless a breakpoint or watchpoint is before it."""
        if cpu not in self._fresh and (event := self._break_at(cpu)) is not None:
            return event
        state = self.cpus[cpu].state
        found = self.system.step(cpu)
        if found is not None and found.stop is Stop.WATCH:
            event, state.skip_break = self._watched(cpu), 0
            if event is not None:
                return event
            state.skip_break = SKIP_ALL                         # somebody else's
            self.system.step(cpu)
        self._fresh.discard(cpu)
        return None

    def _step_all(self, plan: Plan) -> StopEvent | None:
        """The CPUs of the plan in turn, an instruction each."""
        for _ in range(SLICE_STEPS):
            for cpu in plan.cpus:
                if plan.host_named and self._would_run_held(plan, cpu):
                    return self._held(cpu)
            if (event := self._others(plan, None)) is not None:
                return event
            if self.endings.over:
                return None
        return None

    def _others(self, plan: Plan, but: int | None) -> Stopped | None:
        """What else was resumed moves along, so that a step over a spin lock can end."""
        for cpu in plan.cpus:
            if cpu == but:
                continue
            if not self._would_run_held(plan, cpu):
                if (event := self._advance(cpu)) is not None:
                    return event
            elif not plan.host_named and self._somebody_starves(plan):
                self.worlds.evict(cpu)
                self.system.step(cpu)
        return None

    def _somebody_starves(self, plan: Plan) -> bool:
        """A held guest may have the CPU that one which should run waits for."""
        return any(self.worlds.starved(vcpu) for vcpu in self.worlds.guests if vcpu not in plan.held)

    def _step_host(self, plan: Plan, thread: ThreadId) -> StopEvent | None:
        cpu = thread.tid - 1
        for _ in range(SLICE_STEPS):
            before = self.worlds.thread_on(cpu)
            if (event := self._others(plan, cpu) or self._advance(cpu)) is not None:
                return event
            if self.endings.over:
                return None
            after = self.worlds.thread_on(cpu)
            if after != before:
                return self._crossed(plan, cpu, after)
            if not self._goes_on(plan, self.cpus[cpu].pc) or self.cpus[cpu].state.halted:
                return Stopped(thread)
        return None

    def _crossed(self, plan: Plan, cpu: int, now: ThreadId) -> Stopped:
        """A step led into a guest or program, or out.  Signal 0: it is not the stepping thread that GDB is told of."""
        if now.pid == HOST:
            return Stopped(now)
        if now in plan.held:
            self.said.append(HELD)
            return Stopped(cpu_thread(cpu))
        return Stopped(now, 0) if now.pid in self._attached else Stopped(cpu_thread(cpu))

    def _goes_on(self, plan: Plan, pc: int) -> bool:
        action = plan.action
        if not isinstance(action, RangeStep):
            return False
        return any(action.start <= form < action.end for form in (pc, pc & 0xFFFF_FFFF))

    def _step_program(self, plan: Plan, thread: ThreadId) -> StopEvent | None:
        """A thread of a guest, or of a user program."""
        if self.worlds.has_ended(thread):
            return self._survivor(thread)
        view = self.worlds.program(thread)
        if self._journey is None:
            self._journey = _Journey(view.pc)
        journey = self._journey
        for _ in range(SLICE_STEPS):
            cpu = self.worlds.cpu_of(thread)
            inside = cpu is not None and self.worlds.thread_on(cpu) == thread
            if view.waiting or inside and journey.over(view.pc):
                if view.waiting or not self._goes_on(plan, view.pc):
                    return Stopped(thread)
                self._journey = journey = _Journey(view.pc)
            if (event := self._others(plan, cpu)) is not None:
                return event
            if cpu is not None:
                if (event := self._advance(cpu)) is not None:
                    return event
                journey.moved(inside, self.worlds.thread_on(cpu) == thread)
            if self.endings.over or self.worlds.has_ended(thread):
                return self._survivor(thread)
        return None

    def _survivor(self, thread: ThreadId) -> Stopped | None:
        """Where a step ends whose thread has ended: in another of its process, if there is one."""
        others = self.worlds.program_threads(thread.pid)
        return Stopped(others[0].id) if others else None


class _Journey:
    """From one guest instruction to the next: has the first been executed?"""

    def __init__(self, start: int, *, executed: bool = False) -> None:
        self._start = start
        self._executed, self._left = executed, False

    def moved(self, was_inside: bool, is_inside: bool) -> None:
        if was_inside and is_inside:
            self._executed = True
        elif was_inside:
            self._left = True

    def over(self, pc: int) -> bool:
        """An exit that comes back to the same place was only on the way: a TLB refill, an interrupt of the host."""
        return self._executed or self._left and pc != self._start
