"""KVM_RUN: into the guest and out again until the VMM is needed.  (rows MC-10, HX-1..HX-6, C0-15, section G)

``run`` is part of a task's body: it yields to the scheduler and returns the exit.  Invariant: whenever it yields, the
vCPU is either loaded on the task's CPU, or the preempt notifiers have put it; and ``vcpu.mode`` tells which of the two
sides of the world switch it is on.
"""
from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from vmm.arch.cp0.registers import Cause
from vmm.arch.exceptions import ExcCode
from vmm.host.kernel.kernel import V0, is_stop
from vmm.host.kernel.layout import RESUME_GUEST, RESUME_HOST, Door
from vmm.host.kernel.memory import kernel_address
from vmm.host.kernel.tasks import Body, Resched, Run, Sleep, Task, Want
from vmm.host.kernel.timers import Timer
from vmm.kvm import mmio
from vmm.kvm.exits import Exit, Hypercall, InternalError, Intr, MmioLoad, MmioStore
from vmm.kvm.vcpu import Emulation, Mmio, Mode, Vcpu
from vmm.kvm.vm import Member, Vm

EINTR = -4
RUN = Run()
HANDLE_EXIT, RETURNED, INTERRUPT = int(Door.HANDLE_EXIT), int(Door.RETURNED), int(ExcCode.Int)    # compared at each exit
_is_door = is_stop("DOOR")

Steps = Generator[Want, Any, Any]


class Runner:
    """KVM_RUN of one vCPU, for as long as its thread lives."""

    def __init__(self, vm: Vm, vcpu: Vcpu) -> None:
        self.vm, self.kernel, self.backend = vm, vm.kernel, vm.backend
        self.vcpu = vcpu
        self.member: Member = vm.members[vcpu.number]
        self.alarm: Timer = self.kernel.scheduler.timers.timer(self._expired)

    def run(self, task: Task, *, immediate_exit: bool = False) -> Generator[Want, Any, Exit]:
        """MC-10; ``immediate_exit`` only completes a device load (MI-4)."""
        vcpu = self.vcpu
        notifiers = (task.on_sched_in, self._load), (task.on_sched_out, self._put)
        cpu, _ = self.kernel.cpu_of(task)
        self._load(cpu)
        for listeners, call in notifiers:
            listeners.append(call)
        self.member.task = task
        vcpu.in_guest_context = False
        vcpu.exit = None
        if not self._finish_mmio():
            vcpu.exit = InternalError(f"a device load of {vcpu.mmio.length} bytes cannot be completed")
        elif immediate_exit:
            vcpu.exit = Intr()
        else:
            yield from self._enter(task)
        # No ``finally``: a body that is dropped in the middle of a run is one whose machine goes away.
        self.member.task = None
        for listeners, call in notifiers:
            listeners.remove(call)
        cpu, _ = self.kernel.cpu_of(task)
        self._put(cpu)
        return vcpu.exit or InternalError("the world switch returned and no exit was set")

    def _finish_mmio(self) -> bool:
        """The answer to the last load goes to its register; a store was complete when it was reported (MI-2, MI-4)."""
        access = self.vcpu.mmio
        if access.needed is Mmio.NONE:
            return True
        done = access.is_write or mmio.complete_load(self.vcpu, access.data) is Emulation.DONE
        access.needed = Mmio.NONE
        return done

    # The world switch

    def _enter(self, task: Task) -> Steps:
        vcpu = self.vcpu
        cpu, _ = self.kernel.cpu_of(task)
        if self._interrupted():
            return
        vcpu.in_guest_context = True
        vcpu.mode = Mode.IN_GUEST
        self.backend.prepare_run(vcpu, cpu)
        self._arm()
        self.kernel.start_call(task, self.member.vcpu_run, 0, kernel_address(vcpu.block_address))
        while self._door(task, (yield RUN)) == HANDLE_EXIT:
            outcome = self._handle_exit(task)
            if _exc_code(vcpu) == INTERRUPT or self._is_to_give_way(task):
                yield Resched()
            if outcome is Emulation.WAIT:
                yield from self._block(task)
                outcome = Emulation.DONE
            result = RESUME_HOST if vcpu.exit is not None else self._resume(task, outcome)
            _, core = self.kernel.cpu_of(task)
            core.gpr[V0] = result & 0xFFFFFFFF_FFFFFFFF
            core.pc += 4
        vcpu.mode = Mode.OUTSIDE
        vcpu.in_guest_context = False
        cpu, _ = self.kernel.cpu_of(task)
        vcpu.last_exec_cpu = cpu
        self.backend.finish_run(vcpu, cpu)

    def _door(self, task: Task, stop: Any) -> int:
        """Which door the world switch came to: HANDLE_EXIT or RETURNED."""
        _, core = self.kernel.cpu_of(task)
        if not _is_door(stop):
            raise AssertionError(f"the machine stopped for {stop!r} at {core.pc:#x}, physical "
                                 f"{core.state.stop_address:#x}, inside the world switch of vCPU {self.vcpu.number}")
        door: int = core.state.stop_code
        if door not in (HANDLE_EXIT, RETURNED):
            raise AssertionError(f"exception of the host itself: vector {core.pc:#x}")
        return door

    def _handle_exit(self, task: Task) -> Emulation:
        """What handle_exit is in C, but for what gives the CPU away: HX-1..HX-5."""
        vcpu = self.vcpu
        cpu, _ = self.kernel.cpu_of(task)
        vcpu.mode = Mode.OUTSIDE
        vcpu.last_exec_cpu = cpu
        vcpu.exit = None
        self.kernel.serve_interrupts(cpu)
        outcome = self.backend.handle_exit(vcpu, cpu)
        if outcome is Emulation.FAIL and not isinstance(vcpu.exit, InternalError):
            vcpu.exit = InternalError(f"cannot emulate exit {_exc_code(vcpu)} at {vcpu.pc:#x}")
        return outcome

    def _resume(self, task: Task, outcome: Emulation) -> int:
        """HX-4, HX-5: the guest goes on, unless somebody wants the thread."""
        vcpu = self.vcpu
        cpu, _ = self.kernel.cpu_of(task)
        self.backend.before_resume(vcpu, cpu)
        if outcome is Emulation.DONE:
            self.backend.deliver_interrupts(vcpu, cpu)
        if self._interrupted():
            return EINTR << 2 | RESUME_HOST
        vcpu.mode = Mode.IN_GUEST
        self.backend.reenter(vcpu, cpu)
        self._arm()
        return RESUME_GUEST

    def _block(self, task: Task) -> Steps:
        """WAIT with nothing pending: sleep until an interrupt, the timer, or a signal (C0-15, GK-4)."""
        vcpu = self.vcpu
        cpu, _ = self.kernel.cpu_of(task)
        self.backend.before_block(vcpu, cpu)
        vcpu.waiting = True
        while vcpu.waiting and not vcpu.intr and not self.backend.wakeable(vcpu):
            self._arm()
            yield Sleep()
            vcpu.stats["halt_wakeup"] += 1
        vcpu.waiting = False

    def _is_to_give_way(self, task: Task) -> bool:
        """The host's handlers run with interrupts on: the CPU may be taken away at any exit."""
        cpu, _ = self.kernel.cpu_of(task)
        return self.kernel.scheduler.need_resched[cpu]

    def _interrupted(self) -> bool:
        if not self.vcpu.intr:
            return False
        self.vcpu.intr = False
        self.vcpu.exit = Intr()
        self.vcpu.stats["signal"] += 1
        return True

    # Scheduling and time

    def _load(self, cpu: int) -> None:
        """MM-19."""
        self.backend.vcpu_load(self.vcpu, cpu)
        self.vcpu.last_sched_cpu = cpu

    def _put(self, cpu: int) -> None:
        self.backend.vcpu_put(self.vcpu, cpu)

    def _arm(self) -> None:
        """Keep the host's timer where the guest's will expire."""
        deadline = self.backend.timer(self.vcpu).deadline
        if deadline is None:
            if self.alarm.expires_ns is not None:
                self.alarm.cancel()
        elif self.alarm.expires_ns != deadline:
            self.alarm.start(deadline)

    def _expired(self) -> None:
        """TM-9: the guest's Count has reached Compare while software kept it."""
        self.backend.timer(self.vcpu).expire()
        self.vcpu.wake()
        self._arm()
        self.vm.notice(self.member)


Answer = Callable[[Vcpu, Exit], bool]
"""What a VMM does about an exit; false: the thread ends with it."""


def thread(vm: Vm, vcpu: Vcpu, answer: Answer) -> Callable[[Task], Body]:
    """The body of a vCPU thread: KVM_RUN in a loop; its result is the exit that ended it."""
    runner = Runner(vm, vcpu)

    def body(task: Task) -> Body:
        while True:
            reason = yield from runner.run(task)
            if not answer(vcpu, reason):
                return reason

    return body


def serve(load: Callable[[int, int], int], store: Callable[[int, int, int], None]) -> Answer:
    """An answer that knows devices and nothing else."""

    def answer(vcpu: Vcpu, reason: Exit) -> bool:
        match reason:
            case MmioLoad(address, size):
                vcpu.mmio.data = load(address, size)
            case MmioStore(address, size, value):
                store(address, size, value)
            case Hypercall():
                vcpu.gpr[V0] = -1
            case _:
                return False
        return True

    return answer


def _exc_code(vcpu: Vcpu) -> int:
    return Cause.ExcCode.of(vcpu.host_cause)
