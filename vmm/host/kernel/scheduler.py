"""Runs tasks on CPUs, a quantum each in turn, in virtual time: a fixed interleaving.  (design 4, GK-4, GK-7)

A turn is the same however often ``run`` is called for it (``vmm.host.machine.turns``).
Invariant: when a turn begins all CPUs have the same ``ticks``; timers fire only while no instruction executes, when every
CPU has come to their tick; a task sees time go forward only, whatever CPUs it runs on.  A task that must give way is
interrupted by the host's timer line, as real hardware would, so it leaves the guest by itself.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from vmm.host.kernel.calls import Calls
from vmm.host.kernel.cpu import Cpu
from vmm.host.kernel.migration import MOVING_TICKS, Rhythm
from vmm.host.kernel.online import Online
from vmm.host.kernel.runqueue import RunQueue
from vmm.host.kernel.tasks import Body, Interrupted, Resched, Run, Sleep, Task, Wait
from vmm.host.kernel.timers import TimerQueue
from vmm.host.machine.turns import QUANTUM_TICKS, Turns

NEVER = 1 << 62
IPI_LINE, TIMER_LINE = 2, 7
"""Root interrupt lines by which the kernel gets a CPU out of a guest."""


class Scheduler:
    """``is_budget`` tells the Stop that only means "until was reached"; ``is_debug`` a debugger's Stops.  ``slice_ticks``:
    a task keeps its CPU so long at least, while others wait for it; a turn, if that is longer.  ``migrate``: the ticks
    after which tasks change CPUs, or 0."""

    def __init__(self, cpus: list[Cpu], ns_per_tick: int, *, is_budget: Callable[[Any], bool],
                 is_debug: Callable[[Any], bool], quantum: int = QUANTUM_TICKS, seed: int = 0,
                 slice_ticks: int = 0, migrate: int = 0) -> None:
        self.cpus, self.online = cpus, Online(len(cpus))
        self.ns_per_tick = ns_per_tick
        self.turns = Turns(quantum, seed)
        self.timers = TimerQueue()
        self.calls = Calls(cpus)
        self.slice_ticks = slice_ticks
        self.rhythm = Rhythm(migrate if len(cpus) > 1 else 0)
        self.current: list[Task | None] = [None] * len(cpus)
        self.need_resched = [False] * len(cpus)
        self.gone: Callable[[int], None] = lambda cpu: None
        self.switch_in: Callable[[int, Task], None] = lambda cpu, task: None
        self.switch_out: Callable[[int, Task], None] = lambda cpu, task: None
        self._is_budget, self._is_debug = is_budget, is_debug
        self._waiting = RunQueue()
        self._sleeping: list[Task] = []
        self._executing: int | None = None
        self._turn, self._left = 0, list[int]()  # where the round ends, and whose parts of it are to come
        self._since = [0] * len(cpus)  # when each CPU's task got it
        self._charged = [0] * len(cpus)  # and up to when it was charged for it

    # Time

    def now_ns(self) -> int:
        """The clock: of the CPU that executes now, else of the round."""
        return self._now(self._executing) * self.ns_per_tick

    def _now(self, cpu: int | None) -> int:
        return min(self.cpus[n].ticks for n in self.online.cpus) if cpu is None else self.cpus[cpu].ticks

    def run_ahead(self, to_ns: int) -> None:
        """Let time pass on the CPU that executes now, without an instruction: no further than its turn if others wait
        for the end of that, the next alarm, or its own timers."""
        if self._executing is None:
            return
        limits = [-(-to_ns // self.ns_per_tick)]
        if self._contended:
            limits.append(self.turns.end(self.cpus[self._executing].ticks))
        if (alarm := self._next_alarm()) is not None:
            limits.append(alarm)
        self.cpus[self._executing].pass_time(min(limits))

    # Tasks

    def spawn(self, name: str, body: Body, thread_info: int, stack_top: int,
              affinity: frozenset[int] | None = None) -> Task:
        task = Task(name, body, thread_info, stack_top, affinity)
        self._begin_to_wait(task)
        return task

    def wake(self, task: Task) -> None:
        """End a sleep; a wake before the sleep is not lost."""
        if task.sleeping:
            task.sleeping, task.wake_at_ns = False, None
            self._sleeping.remove(task)
            if task.destination is not None and self.current[task.destination] is not None:
                task.destination = None                     # it would have to wait there
            self._begin_to_wait(task)
        else:
            task.woken = True

    def _begin_to_wait(self, task: Task) -> None:
        """For a CPU, after a sleep or at birth."""
        for number, running in enumerate(self.current):
            if running is not None:
                self._charge(number, running)
        awake = (other.vruntime for other in (*filter(None, self.current), *self._waiting))
        self._waiting.add(task, self._now(self._executing), min(awake, default=0))

    def move(self, task: Task, cpu: int) -> None:
        """The task goes on there: when it leaves the guest, where it has a CPU; when it runs again, where it has none."""
        if task.done or cpu not in self.online.staying or not (task.affinity is None or cpu in task.affinity):
            return
        task.destination = cpu
        if task.cpu not in (None, cpu):
            self.evict(task.cpu)

    def take_down(self, cpu: int) -> None:
        """The CPU's tasks go on elsewhere; when it has none, it is ``gone``."""
        self.online.take_down(cpu, self._tasks())
        self.evict(cpu)

    def bring_up(self, cpu: int) -> None:
        """The CPU is back, with the clock of who brings it."""
        now = self._now(self._executing)
        self.online.bring_up(cpu)
        self.cpus[cpu].skip_to(max(self.cpus[cpu].ticks, now))

    def evict(self, cpu: int) -> None:
        """Let the CPU's next guest instruction be an interrupt of the host instead, and its task give way."""
        self.give_way(cpu)
        self.cpus[cpu].set_interrupt(TIMER_LINE, True)

    def kick(self, cpu: int) -> None:
        """Interrupt a CPU so that the guest on it exits (GK-2)."""
        self.cpus[cpu].set_interrupt(IPI_LINE, True)

    def give_way(self, cpu: int) -> None:
        """The next ``Resched`` there lets others go first."""
        self.need_resched[cpu] = True

    def serve_interrupts(self, cpu: int) -> None:
        """What the host's handlers do once interrupts are enabled: the lines go down, and calls are answered."""
        for line in (IPI_LINE, TIMER_LINE):
            self.cpus[cpu].set_interrupt(line, False)
        self.calls.serve(cpu)

    # Running

    def run(self, until: int, stop: Callable[[], bool] = lambda: False) -> Interrupted | None:
        """Until all ``ticks`` reach ``until``, ``stop()`` holds between two steps, nothing is left, or a debugger stop.
        ``until`` may fall into the turn of the last CPU only; the others then have come there.
        A CPU that waits for others goes on in the same turn when they have answered."""
        while self._now(None) < until and not stop():
            if not self._left and not self._begin_round():
                return None
            while self._left and not stop():
                number = self._left[0]
                last = len(self._left) == 1 and all(self.cpus[n].ticks >= until for n in self.online.cpus if n != number)
                found = self._run_cpu(number, self._turn, until if last else self._turn, stop)
                if found is not None:
                    return found
                if last and self._is_cut(number, until):
                    return None
                if not stop():
                    del self._left[0]
        return None

    def _begin_round(self) -> bool:
        """Fire what is due, and let each CPU go on to the end of its turn or the next alarm.  False: nothing is left."""
        self._let_go()
        now = self._now(None)
        self._fire(now, self.online.cpus)
        moves = self.rhythm.ticks and now >= self.rhythm.next_beat
        if moves:
            self.rhythm.beat(now, self._tasks(), self.online.staying, self.move)
        if self._nothing_left():
            return False
        self._turn = min(self.turns.end(now), now + MOVING_TICKS) if moves else self.turns.end(now)
        order = self.turns.order(self._turn, len(self.cpus))
        self._left = [n for n in order if n in self.online.cpus and self.cpus[n].ticks < self._turn]
        return True

    def _let_go(self) -> None:
        """CPUs that are to leave and have nothing to do any more are gone."""
        for cpu in sorted(self.online.leaving):
            if self.current[cpu] is None and self.calls.due(cpu) is None:
                self.online.left(cpu)
                self.gone(cpu)

    def _is_cut(self, number: int, until: int) -> bool:
        """Its part of the round goes on at the next call."""
        now, alarm = self.cpus[number].ticks, self._next_alarm()
        return until <= now < self._turn and (alarm is None or now < alarm)

    def complete(self, task: Task, limit: int) -> Any:
        """Run until ``task`` has returned; its result.  ``limit`` in ticks is for tests and simple callers."""
        found = self.run(limit, lambda: task.done)
        if not task.done:
            why = f"stopped for {found.stop!r}" if found else "nothing runs any more" if self.idle else "limit reached"
            raise RuntimeError(f"task {task.name} asked to complete within {limit} ticks: {why}")
        return task.result

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing will be woken by time: only input from outside can go on."""
        return self._nothing_left()

    def _nothing_left(self) -> bool:
        return not self._busy and self._next_alarm() is None

    @property
    def _busy(self) -> bool:
        """Somebody wants to run."""
        return bool(self._waiting) or any(self.current)

    def _tasks(self) -> list[Task]:
        return [*filter(None, self.current), *self._waiting, *self._sleeping]

    def _next_alarm(self) -> int | None:
        """The tick of the next timer, sleeper or beat."""
        at = self.timers.next_ns()
        for task in self._sleeping:
            if task.wake_at_ns is not None and (at is None or task.wake_at_ns < at):
                at = task.wake_at_ns
        alarm = None if at is None else -(-at // self.ns_per_tick)
        if self.rhythm.ticks and self._busy:
            return self.rhythm.next_beat if alarm is None else min(alarm, self.rhythm.next_beat)
        return alarm

    @property
    def _contended(self) -> bool:
        """Somebody waits for a turn to end."""
        return bool(self._waiting) or len(self.cpus) > 1

    def quiet_until(self) -> int:
        """The next alarm if nothing executes before it, else a tick that has passed."""
        if self._busy:
            return 0
        alarm = self._next_alarm()
        return NEVER if alarm is None else alarm

    def _fire(self, now: int, cpus: Iterable[int]) -> None:
        """What is due at tick ``now``; guests on ``cpus`` are interrupted to see what became of it."""
        now_ns = now * self.ns_per_tick
        if self.timers.fire_due(now_ns):
            for number in cpus:
                if self.current[number] is not None:
                    self.cpus[number].set_interrupt(TIMER_LINE, True)
        for task in [t for t in self._sleeping if t.wake_at_ns is not None and t.wake_at_ns <= now_ns]:
            self.wake(task)

    def _run_cpu(self, number: int, turn: int, until: int, stop: Callable[[], bool]) -> Interrupted | None:
        """One CPU to the end of its turn, to ``until``, or to the next alarm, so that a timer is late by one instruction at
        most.  While nobody waits, turn follows turn."""
        cpu, alone = self.cpus[number], False
        self._executing = number
        try:
            while (now := cpu.ticks) < until and not stop():
                turn = self.turns.end(now) if alone else turn
                if now >= turn:
                    break
                alarm = self._next_alarm()
                if alarm is not None and alarm <= now:
                    if len(self.cpus) > 1:
                        break                               # it goes off when the others have come here, too
                    self._fire(now, (number,))
                    alarm = self._next_alarm()
                task = self.current[number]
                if task is None and (task := self._pick(number)) is not None:
                    alarm, now = self._next_alarm(), cpu.ticks
                alone = not self._contended
                limit = until if alone else min(until, turn)
                limit = self._take_calls(number, task, limit if alarm is None else min(limit, max(alarm, now + 1)))
                if task is None:
                    self._idle(number, now, limit)
                    continue
                if isinstance(task.want, Wait) and not self.calls.is_over(number, task.want.call, limit):
                    ends = turn if alarm is None else min(turn, alarm)
                    if self.calls.may_answer(task.want.call, ends) and not self.calls.has_due(number, ends):
                        break                               # it goes on in this turn, when the others have had theirs
                    cpu.skip_to(limit)
                    continue
                found = self._advance(number, task, partial(cpu.run, limit))
                if found is not None:
                    return found
            if cpu.ticks >= turn and not alone:
                self._preempt(number)
            return None
        finally:
            self._executing = None

    def _idle(self, number: int, now: int, limit: int) -> None:
        """Until then, or until a task could run here."""
        ready = None if number in self.online.leaving else self._waiting.next_ready(number)
        self.cpus[number].skip_to(limit if ready is None else min(limit, max(ready, now + 1)))

    def _take_calls(self, number: int, task: Task | None, limit: int) -> int:
        executes = task is not None and not isinstance(task.want, Wait)
        if executes and self.calls.has_due(number, self.cpus[number].ticks):
            self.kick(number)
        return self.calls.take(number, limit, executes=executes)

    def step(self, number: int, stop: Callable[[], bool] = lambda: False) -> Interrupted | None:
        """One instruction of a CPU, with all that its task thinks before it; None if the CPU has nothing to do."""
        cpu = self.cpus[number]
        self._executing = number
        try:
            while not stop():
                self._fire(cpu.ticks, (number,))
                task = self.current[number] or self._pick(number)
                if task is None:
                    return None
                if isinstance(task.want, Wait):
                    self.calls.settle(task.want.call)
                found = self._advance(number, task, cpu.step)
                if found is not None:
                    return found
            return None
        finally:
            self._executing = None

    def _advance(self, number: int, task: Task, execute: Callable[[], Any]) -> Interrupted | None:
        """One want of a task: execute, or let the body think and say the next want."""
        if isinstance(task.want, Run):
            stop = execute()
            if self._is_budget(stop):
                return None
            if self._is_debug(stop):
                return Interrupted(number, task, stop)
            task.answer = stop
        try:
            answer, task.answer = task.answer, None
            task.want = task.body.send(answer)
        except StopIteration as finished:
            task.done, task.result = True, finished.value
            self.current[number] = None
            return None
        match task.want:
            case Resched():
                self._resched(number, task)
            case Sleep(until_ns):
                self._sleep(number, task, until_ns)
        return None

    def _charge(self, number: int, task: Task) -> None:
        now = self.cpus[number].ticks
        task.vruntime += now - self._charged[number]
        self._charged[number] = now

    def _preempt(self, number: int) -> None:
        """At the end of a slice: if another task waits for this CPU and has had less, interrupt the one that has it."""
        now, task = self.cpus[number].ticks, self.current[number]
        if task is not None and now - self._since[number] >= self.slice_ticks:
            self._charge(number, task)
            if self._waiting.outranks(number, now, task.vruntime):
                self.evict(number)

    def _resched(self, number: int, task: Task) -> None:
        """Give the CPU to another if it is to be given away and there is one, or to go on elsewhere."""
        now = self.cpus[number].ticks
        leaves = number in self.online.leaving
        other = self._next(number) if self.need_resched[number] else None
        self.need_resched[number] = False
        if other is not None or leaves or not task.may_run_on(number):
            self._switch_out(number, task)
            self._waiting.add(task, now)
        if other is not None:
            self._switch_in(number, other)

    def _sleep(self, number: int, task: Task, until_ns: int | None) -> None:
        if task.woken:
            task.woken = False
            return
        self._switch_out(number, task)
        task.sleeping, task.wake_at_ns = True, until_ns
        self._sleeping.append(task)

    def _switch_out(self, number: int, task: Task) -> None:
        self._charge(number, task)
        for call in task.on_sched_out:
            call(number)
        self.switch_out(number, task)
        task.last_cpu, task.cpu = number, None
        task.ready_at = self.cpus[number].ticks
        self.current[number] = None

    def _pick(self, number: int) -> Task | None:
        task = self._next(number)
        if task is not None:
            self._switch_in(number, task)
        return task

    def _next(self, number: int) -> Task | None:
        return None if number in self.online.leaving else self._waiting.pick(number, self.cpus[number].ticks)

    def _switch_in(self, number: int, task: Task) -> None:
        task.cpu = number
        self.current[number] = task
        self._since[number] = self._charged[number] = self.cpus[number].ticks
        self.switch_in(number, task)
        if task.last_cpu is not None:
            for call in task.on_sched_in:
                call(number)
