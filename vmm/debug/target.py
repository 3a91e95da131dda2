"""A system as a target of the GDB stub: every ability of ``vmm.gdbstub.target`` that the machine has.

This class only translates; registers and memory are in ``view``, ``host`` and ``guest``, running in ``execution``.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from vmm.debug.debuggee import Debuggee
from vmm.debug.description import target_xml
from vmm.debug.ending import Endings
from vmm.debug.execution import Execution
from vmm.debug.layout import Row
from vmm.debug.monitor import monitor
from vmm.debug.points import Point
from vmm.debug.worlds import HOST, PROGRAMS, Worlds, cpu_thread, program_file
from vmm.gdbstub.target import (
    Action,
    BreakKind,
    Process,
    Register,
    StopEvent,
    Stopped,
    TargetError,
    Thread,
    ThreadId,
)
from vmm.guest.image import Image

HOST_CODE = "/host/kernel.elf"


class DebugTarget:
    """Process 1 is the host machine; its guests, and the host kernel's programs, are hidden until a debugger attaches."""

    def __init__(self, system: Debuggee) -> None:
        self.system = system
        self.worlds = Worlds(system)
        self.endings = Endings(self.worlds)
        self.execution = Execution(self.worlds, self.endings)
        self._images = {image_path(vm.vm.name, vm.request.image): vm.request.image for vm in self.worlds.vms.values()}
        self._image_path = image_path("", system.request.image)
        self._order = "big" if system.machine.big_endian else "little"
        self._attached: set[int] = {HOST}
        self._current = cpu_thread(0)

    # -- Inferiors -------------------------------------------------------------------------------------------
    def processes(self) -> Sequence[Process]:
        bare = self.worlds.userland is None and not self.worlds.vms
        mine = [Process(HOST, self._image_path if bare else HOST_CODE), *(
            Process(pid, path, hidden=True) for pid, path in zip(self.worlds.vms, self._images, strict=True))]
        programs = [Process(pid, program_file(process.program.path), hidden=True)
                    for pid, process in self.worlds.processes.items() if process.threads]
        return [process for process in mine if process.pid in self.endings.alive] + programs

    def threads(self, pid: int) -> Sequence[Thread]:
        if pid in self.worlds.processes:
            return self.worlds.program_threads(pid)
        if pid not in self.endings.alive:
            return []
        return self.worlds.host_threads() if pid == HOST else self.worlds.guest_threads(pid)

    # -- Attaching, Killing ----------------------------------------------------------------------------------
    def attach(self, pid: int) -> None:
        if pid in self.worlds.processes:
            self.endings.follow(pid)
        elif pid not in self.endings.alive:
            names = {vm: "its guest" for vm in self.worlds.vms}
            names |= {number: process.name for number, process in self.worlds.processes.items()}
            raise TargetError(f"no process {pid}; the machine is 1" + "".join(f", {name} {n}" for n, name in names.items()))
        self._attached.add(pid)

    def detach(self, pid: int) -> None:
        self._attached.discard(pid)
        self.endings.leave(pid)

    def kill(self, pid: int) -> None:
        self.detach(pid)
        self.endings.kill(pid)

    # -- Described, Files ------------------------------------------------------------------------------------
    def description(self, pid: int) -> str:
        return target_xml(self._rows(pid), wide=self.system.machine.model.bits == 64)

    def file(self, path: str) -> bytes | None:
        if path == HOST_CODE:
            return self.system.host_code() or None
        if path == self._image_path:
            return self.system.request.image.raw
        if path in self._images:
            return self._images[path].raw
        if self.worlds.userland is not None and path.startswith(PROGRAMS):
            return next((image.raw for image in self.worlds.userland.images if program_file(image.path) == path), None)
        return None

    # -- Registers -------------------------------------------------------------------------------------------
    def _rows(self, pid: int) -> tuple[Row, ...]:
        tid = next(iter(self.worlds.processes[pid].threads)) if pid in self.worlds.processes else 1
        return self.worlds.view(ThreadId(pid, tid)).rows

    def registers(self, pid: int) -> Sequence[Register]:
        return [Register(row.number, row.size, row.expedited) for row in self._rows(pid)]

    def read_register(self, thread: ThreadId, number: int) -> bytes | None:
        view = self.worlds.view(thread)
        return self._bytes(view.register(number), view.row(number).size)

    def read_registers(self, thread: ThreadId) -> Mapping[int, bytes | None]:
        view = self.worlds.view(thread)
        values = view.registers()
        return {row.number: self._bytes(values[row.number], row.size) for row in view.rows}

    def write_register(self, thread: ThreadId, number: int, value: bytes) -> None:
        self.execution.tampered = True
        self.worlds.view(thread).set_register(number, self._number(value))

    def write_registers(self, thread: ThreadId, values: Mapping[int, bytes]) -> None:
        """Those that a debugger does not know come back as zeros and are no wish."""
        view = self.worlds.view(thread)
        now = view.registers()
        for number, value in values.items():
            if now[number] is not None:
                self.execution.tampered = True
                view.set_register(number, self._number(value))

    def _bytes(self, value: int | None, size: int) -> bytes | None:
        return None if value is None else value.to_bytes(size, self._order)  # type: ignore[arg-type]

    def _number(self, value: bytes) -> int:
        return int.from_bytes(value, self._order)  # type: ignore[arg-type]

    # -- Memory ----------------------------------------------------------------------------------------------
    def read_memory(self, thread: ThreadId, address: int, size: int) -> bytes:
        return self.worlds.view(thread).read(address, size)

    def write_memory(self, thread: ThreadId, address: int, data: bytes) -> None:
        self.execution.tampered = True
        self.worlds.view(thread).write(address, data)

    # -- Breakpoints -----------------------------------------------------------------------------------------
    def add_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None:
        self.execution.points.add(Point(kind, address, size, pid))

    def remove_breakpoint(self, kind: BreakKind, address: int, size: int, pid: int) -> None:
        self.execution.points.remove(Point(kind, address, size, pid))

    # -- Execution, Console ----------------------------------------------------------------------------------
    def resume(self, actions: Mapping[ThreadId, Action]) -> None:
        self.execution.resume(actions, attached=self._attached)

    def run_slice(self) -> StopEvent | None:
        event = self.execution.run_slice()
        if isinstance(event, Stopped):
            self._current = event.thread
        return event

    def interrupt(self) -> None:
        self.execution.interrupt()

    def console_output(self) -> str:
        said, self.execution.said[:] = "".join(self.execution.said), []
        return said

    # -- Monitoring ------------------------------------------------------------------------------------------
    def monitor(self, command: str) -> str:
        """Of the thread that stopped last, unless the command says whose."""
        return monitor(self.worlds, command, cpu_thread(0) if self.worlds.has_ended(self._current) else self._current)


def image_path(vm: str, image: Image) -> str:
    """As debuggers ask for it; ``vm``: what the names of a guest begin with on its host."""
    return f"/{vm}guest/" + (image.path.replace("\\", "/").rpartition("/")[2] or "image")


def debug_target(system: Debuggee) -> DebugTarget:
    return DebugTarget(system)
