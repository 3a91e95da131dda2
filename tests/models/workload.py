"""Tasks that fork, map, unmap, exec, move between CPUs and exit, by chance, on several hosts in step.

A ``Host`` is an allocator of ids over some MMUs.  Every access of a task must give, on each of them, what the page table
says at that moment: the page, or that there is none.  So hosts with ASIDs and with MMIDs agree in all that can be seen.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from tests.support.plain_tlb import PAIR_SHIFT, PlainMmu
from vmm.arch.cp0.registers import EntryHi, MemoryMapID
from vmm.arch.models import MODELS
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.contexts import Mm, SteppedContexts
from vmm.host.kernel.flush import Flush, Flusher, Wanted
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.kernel.steps import Word, drain
from vmm.host.machine import Machine

PAIRS, KERNEL_PAIRS, MOST_TASKS = 12, 6, 10
GLOBAL, VALID = 1, 2
VTLB, SETS = 16, 128
KERNEL_BASE = 0xFFFFFFFF_C0000000 >> PAIR_SHIFT
"""The first pair of the kernel's own pages; behind them there is a place for a window."""
WINDOW = KERNEL_BASE + KERNEL_PAIRS << PAIR_SHIFT


class Space:
    """A process's page table, and what each host keeps for it."""

    def __init__(self, hosts: list[Host], pages: dict[int, int]) -> None:
        self.pages, self.users = pages, 1
        self.views = [host.new_space() for host in hosts]

    def count(self, change: int) -> None:
        """Threads come and go."""
        self.users += change
        for view in self.views:
            view.users = self.users


class Host(Protocol):
    name: str
    contexts: SteppedContexts
    flusher: Flusher

    def new_space(self) -> Any: ...
    def look(self, cpu: int, space: Space, pair: int) -> int | None:
        """What a load of the task that runs there gives, a refill included."""
    def look_in_kernel(self, cpu: int, kernel: dict[int, int], pair: int) -> int | None: ...
    def window(self, cpu: int, frame: int) -> int | None:
        """Open a window to a frame, flush what may take it away, look through it, close it."""


class View:
    """A space as one plain host has it."""

    def __init__(self, words: list[Word]) -> None:
        self.users, self._words = 1, words

    def word(self, cpu: int) -> Word:
        return self._words[cpu]


class PlainHost:
    """``bits``: so few numbers that they run out all the time.  The programs are ``contexts`` and ``flusher``."""

    def __init__(self, name: str, cpus: int, contexts: Callable[..., SteppedContexts], *, bits: int = 4,
                 siblings: bool = False, flusher: type[Flusher] = Flusher) -> None:
        self.name, self.cpus = name, cpus
        self.mmus: list[PlainMmu] = []
        pairs = [(cpu ^ 1,) if siblings and cpu ^ 1 < cpus else () for cpu in range(cpus)]
        self.mmus += [PlainMmu(self.mmus, pair) for pair in pairs]
        more = {"siblings": pairs} if siblings else {}
        self.contexts = contexts(self.mmus, bits=bits, **more)
        self.flusher = flusher(self.contexts, self.mmus, PAIR_SHIFT - 1)

    def plug(self, cpu: int) -> None:
        drain(self.flusher.starting(cpu))

    def unplug(self, cpu: int, idle: Space) -> None:
        drain(self.flusher.stopping(cpu, idle))

    def new_space(self) -> View:
        words = [Word("context")] * self.cpus if self.contexts.global_ids else [Word("context") for _ in self.mmus]
        return View(words)

    def look(self, cpu: int, space: Space, pair: int) -> int | None:
        mmu = self.mmus[cpu]
        frame = mmu.look(pair)
        if frame is None and pair in space.pages:
            frame = space.pages[pair]
            mmu.fill(pair, frame)
        return frame

    def look_in_kernel(self, cpu: int, kernel: dict[int, int], pair: int) -> int | None:
        mmu = self.mmus[cpu]
        if pair not in mmu.kernel and pair in kernel:
            mmu.kernel[pair] = kernel[pair]
        return mmu.kernel.get(pair)

    def window(self, cpu: int, frame: int) -> int | None:
        windows = self.mmus[cpu].windows
        windows.append((0, frame))
        self.flusher.flush(cpu, Flush.ALL, Wanted())
        return windows.pop()[1] if windows else None


class MachineHost:
    """A booted kernel on simulated I6500s: translations come from their TLBs, VTLB and FTLB."""

    def __init__(self, name: str, cpus: int, *, mmids: bool) -> None:
        self.name = name
        self.kernel = Kernel(Machine(MODELS["I6500"], cpus, 32 << 20), page_shift=PAIR_SHIFT - 1, mmids=mmids)
        self.contexts, self.flusher = self.kernel.contexts, self.kernel.flusher
        self._number = MemoryMapID if mmids else EntryHi
        self._fills = 0

    def plug(self, cpu: int) -> None:
        self.kernel.cpu_up(cpu)

    def unplug(self, cpu: int, idle: Any) -> None:
        """Nothing runs there, so that it is off at once; what its TLB had may come back with the power, or anything."""
        self.kernel.cpu_down(cpu)
        self.kernel.scheduler.run(self.kernel.cpus[cpu].ticks + 1)
        assert cpu not in self.kernel.scheduler.online.cpus

    def new_space(self) -> Mm:
        return self.kernel.new_mm()

    def look(self, cpu: int, space: Space, pair: int) -> int | None:
        return self._look(cpu, pair << PAIR_SHIFT, space.pages.get(pair), 0)

    def look_in_kernel(self, cpu: int, kernel: dict[int, int], pair: int) -> int | None:
        return self._look(cpu, pair << PAIR_SHIFT, kernel.get(pair), GLOBAL)

    def _look(self, cpu: int, va: int, frame: int | None, flags: int) -> int | None:
        tlb, entries = self.kernel.tlbs[cpu], self.kernel.cpus[cpu].tlb
        number = self.kernel.cpus[cpu].root[self._number]
        index = tlb.probe(va, number)
        if index is None and frame is not None:
            self._fills += 1
            index = self._victim(va)
            tlb.update(va, number, frame << 6 | VALID | flags, frame << 6 | VALID | flags, victim=index)
        return None if index is None else entries[index].entry_lo0 >> 6

    def _victim(self, va: int) -> int:
        """By turns in the VTLB, beyond what may be wired, and in the FTLB, where the address tells the set."""
        if self._fills % 3 == 0:
            return 4 + self._fills % 12
        return VTLB + (self._fills % 4) * SETS + (va >> PAIR_SHIFT) % SETS

    def window(self, cpu: int, frame: int) -> int | None:
        tlb = self.kernel.tlbs[cpu]
        tlb.push_wired(WINDOW, frame << 6 | VALID | GLOBAL, frame << 6 | VALID | GLOBAL)
        self.flusher.flush(cpu, Flush.ALL, Wanted())
        found = self._look(cpu, WINDOW, None, 0)
        tlb.pop_wired()
        return found


def plain_hosts(cpus: int) -> list[PlainHost]:
    return [PlainHost("a host with ASIDs", cpus, AsidContexts), PlainHost("a host with MMIDs", cpus, MmidContexts),
            PlainHost("a host with MMIDs and siblings", cpus, MmidContexts, siblings=True)]


class Workload:
    """``log`` gets what every task saw, as a sum; ``done`` counts operations by name."""

    def __init__(self, seed: int, hosts: list[Any], cpus: int) -> None:
        self.random, self.hosts, self.cpus = Random(seed), hosts, cpus
        self.frames = 0
        self.kernel: dict[int, int] = {}
        self.idle = Space(hosts, {})
        self.running: list[Space | None] = [None] * cpus
        self.online = [True] * cpus
        self.waiting = [Space(hosts, {})]
        self.done: Counter[str] = Counter()
        self.seen = 0
        self._table: list[Callable[[int], str | None]] = []
        for operation, weight in ((self._access, 40), (self._switch, 14), (self._map, 14), (self._unmap, 6),
                                  (self._unmap_range, 3), (self._fork, 2), (self._thread, 2), (self._exec, 3),
                                  (self._exit, 3), (self._reclaim, 3), (self._kernel_access, 5), (self._kernel_map, 2),
                                  (self._kernel_unmap, 2), (self._window, 1), (self._plug, 1)):
            self._table += [operation] * weight

    def run(self, count: int) -> None:
        for _ in range(count):
            cpu = self.random.randrange(self.cpus)
            if self.online[cpu]:
                operation = self.random.choice(self._table)
                self.done[operation(cpu) or "not possible"] += 1
            else:
                self.done[self._plug(cpu) or "not possible"] += 1

    def _frame(self) -> int:
        self.frames += 1
        return self.frames

    def _agree(self, what: str, expected: int | None, found: list[int | None]) -> None:
        for host, got in zip(self.hosts, found, strict=True):
            if got != expected:
                raise AssertionError(f"{what}: {host.name} gives {got}, the page table {expected}, after {self.done}")
        self.seen = (self.seen * 31 + (expected or 0)) % (1 << 61)

    def _flush(self, cpu: int, what: Flush, space: Space | None, first: int = 0, last: int = 0,
               executable: bool = True) -> None:
        for n, host in enumerate(self.hosts):
            host.flusher.flush(cpu, what, Wanted(space and space.views[n], first << PAIR_SHIFT, last + 1 << PAIR_SHIFT,
                                                 executable, mine=space is not None and self.running[cpu] is space))

    def _load(self, cpu: int, space: Space) -> None:
        for n, host in enumerate(self.hosts):
            host.contexts.switch(cpu, space.views[n])

    # What a task does

    def _access(self, cpu: int) -> str | None:
        space = self.running[cpu]
        if space is None:
            return self._switch(cpu)
        pair = self.random.randrange(PAIRS)
        self._agree(f"CPU {cpu}, pair {pair}", space.pages.get(pair), [host.look(cpu, space, pair) for host in self.hosts])
        return "access"

    def _map(self, cpu: int) -> str | None:
        space, pair = self.running[cpu], self.random.randrange(PAIRS)
        if space is None:
            return None
        there = pair in space.pages
        space.pages[pair] = self._frame()
        if there:
            self._flush(cpu, Flush.PAGE, space, pair, pair)
        return "map"

    def _unmap(self, cpu: int) -> str | None:
        space = self.running[cpu]
        if space is None or not space.pages:
            return None
        pair = self.random.choice(list(space.pages))
        del space.pages[pair]
        self._flush(cpu, Flush.PAGE, space, pair, pair)
        return "unmap"

    def _unmap_range(self, cpu: int) -> str | None:
        space = self.running[cpu]
        if space is None:
            return None
        first, last = sorted(self.random.sample(range(PAIRS), 2))
        for pair in range(first, last + 1):
            space.pages.pop(pair, None)
        self._flush(cpu, Flush.RANGE, space, first, last, self.random.random() < 0.5)
        return "unmap range"

    def _fork(self, cpu: int) -> str | None:
        """Parent and child have the same pages, and both lose the right to write: new values in the page tables."""
        space = self.running[cpu]
        if space is None or len(self.waiting) + self.cpus > MOST_TASKS:
            return None
        for pair in space.pages:
            space.pages[pair] = self._frame()
        self.waiting.append(Space(self.hosts, dict(space.pages)))
        self._flush(cpu, Flush.MM, space)
        return "fork"

    def _thread(self, cpu: int) -> str | None:
        space = self.running[cpu]
        if space is None or len(self.waiting) + self.cpus > MOST_TASKS:
            return None
        space.count(1)
        self.waiting.append(space)
        return "thread"

    def _exec(self, cpu: int) -> str | None:
        space = self.running[cpu]
        if space is None:
            return None
        space.count(-1)
        self.running[cpu] = fresh = Space(self.hosts, {pair: self._frame() for pair in range(0, PAIRS, 3)})
        self._load(cpu, fresh)
        return "exec"

    def _exit(self, cpu: int) -> str | None:
        """The CPU idles on what was loaded last."""
        space = self.running[cpu]
        if space is None or len(self.waiting) < 2:
            return None
        space.count(-1)
        self.running[cpu] = None
        return "exit"

    # What the kernel does

    def _switch(self, cpu: int) -> str | None:
        """To a task that may have run elsewhere before."""
        if not self.waiting:
            return None
        space = self.waiting.pop(self.random.randrange(len(self.waiting)))
        if (left := self.running[cpu]) is not None:
            self.waiting.append(left)
        self.running[cpu] = space
        self._load(cpu, space)
        return "switch"

    def _reclaim(self, cpu: int) -> str | None:
        """Memory is short: a page of any task is taken, from whatever CPU."""
        space = self.random.choice([*self.waiting, *filter(None, self.running), self.idle])
        if not space.pages:
            return None
        pair = self.random.choice(list(space.pages))
        del space.pages[pair]
        self._flush(cpu, Flush.PAGE, space, pair, pair)
        return "reclaim"

    def _kernel_access(self, cpu: int) -> str:
        pair = KERNEL_BASE + self.random.randrange(KERNEL_PAIRS)
        self._agree(f"CPU {cpu}, the kernel's pair {pair - KERNEL_BASE}", self.kernel.get(pair),
                    [host.look_in_kernel(cpu, self.kernel, pair) for host in self.hosts])
        return "kernel access"

    def _kernel_map(self, cpu: int) -> str | None:
        pair = KERNEL_BASE + self.random.randrange(KERNEL_PAIRS)
        if pair in self.kernel:
            return None
        self.kernel[pair] = self._frame()
        return "kernel map"

    def _kernel_unmap(self, cpu: int) -> str:
        first = KERNEL_BASE + self.random.randrange(KERNEL_PAIRS)
        last = min(first + self.random.randrange(KERNEL_PAIRS), KERNEL_BASE + KERNEL_PAIRS - 1)
        for pair in range(first, last + 1):
            self.kernel.pop(pair, None)
        self._flush(cpu, Flush.ONE if first == last else Flush.KERNEL_RANGE, None, first, last)
        return "kernel unmap"

    def _window(self, cpu: int) -> str:
        frame = self._frame()
        self._agree(f"CPU {cpu}, window", frame, [host.window(cpu, frame) for host in self.hosts])
        return "window"

    def _plug(self, cpu: int) -> str | None:
        """CPU hot-plug; one stays."""
        if not self.online[cpu]:
            for host in self.hosts:
                host.plug(cpu)
            self.online[cpu] = True
            self._load(cpu, self.idle)
            return "plug"
        if sum(self.online) == 1:
            return None
        if (space := self.running[cpu]) is not None:
            self.waiting.append(space)
            self.running[cpu] = None
        for n, host in enumerate(self.hosts):
            host.unplug(cpu, self.idle.views[n])
        self.online[cpu] = False
        return "unplug"
