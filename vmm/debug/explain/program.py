"""An access of a user program of the host kernel explained: what the CPU's TLB has for its space, and what the kernel would
put there: its page table, and the area that the address is in.
"""
from __future__ import annotations

from vmm.arch.cp0.registers import EntryHi, MemoryMapID, Status
from vmm.arch.state import ROOT_FILE
from vmm.debug.explain import hypervisor, worded
from vmm.debug.explain.look import Seen, look
from vmm.debug.process import ProcessView
from vmm.debug.snapshot import Snapshot
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.user.numbers import Prot

USER = Status.KSU.at(2)
MODE = Status.EXL.mask | Status.ERL.mask | Status.KSU.mask


def seen_by_program(view: ProcessView, va: int, access: int, size: int | None = None) -> Seen:
    """In user mode, under the number of its space on the CPU that the thread has, or had last."""
    cpu, thread = view.machine.cpus[view.core_number], view.thread
    snapshot = Snapshot(cpu)
    words, at = snapshot.state.words, ROOT_FILE + Status.index
    words[at] = words[at] & ~MODE | USER
    contexts = thread.kernel.contexts
    register = MemoryMapID if isinstance(contexts, MmidContexts) else EntryHi
    words[ROOT_FILE + register.index] = contexts.tag(cpu.number, thread.process.mm)
    return look(snapshot.state, cpu.big_endian, view.machine.memory, va, access, size)


def lines_of(view: ProcessView, va: int, access: int) -> list[str]:
    process, cpu = view.thread.process, view.core_number
    mm, memory = process.mm, process.memory
    word = mm.context(cpu)
    lines = [f"thread {view.thread.tid} of process {process.pid} ({view.state}), on CPU {cpu}, where its space has "
             + (f"the context word {word:#x}" if word else "no number yet")]
    if word:
        seen = seen_by_program(view, va, access)
        lines += worded.stages(seen)
        if seen.raised is not None:
            lines.append(worded.exception(seen))
    page = va & -memory.page_size
    lines.append(f"its page table has {hypervisor.pte_text(mm.table.get(page))} for {page:#x}")
    area = memory.areas.find(va)
    if area is None:
        lines.append("and no area of it is there: SIGSEGV")
    else:
        rights = "".join(letter if area.prot & prot else "-" for letter, prot in
                         (("r", Prot.READ), ("w", Prot.WRITE), ("x", Prot.EXEC)))
        lines.append(f"which is in the area {area.start:#x}..{area.end:#x} {rights} {area.name}".rstrip())
    return lines
