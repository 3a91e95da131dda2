"""C programs on the host kernel: threads, processes, faults, on every kind of core, with ASIDs and with MMIDs."""
from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.programs.build import KINDS, PROGRAMS, build, build_with_library
from vmm.arch.models import MODELS
from vmm.cli.host import program_of, read_image
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.flush import Flusher
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmids import MmidContexts
from vmm.host.machine import Machine
from vmm.host.user.processes import Ended
from vmm.host.user.program import Program
from vmm.host.user.system import LEAST_SLICE_TICKS, UserSystem

SUM = b"x of 2: 269100 269100 269100\n"
FAULTS = b"missed 3: 1 2 3\nfresh 0, kept 2\ngone: 1\ndeep 5050\n"
FAMILY = (b"child 0: 10\nchild 1: 20\nchild 2: 30\nchild 3: 40\nhere 100, shared 10\nparent heard 17\nchild heard 16\n"
          b"terminated: 143\nno such program: -2\nexecuted other with A=b, value 1\nended with 33\nno child: -1\n")
LIBRARY = (b"2 arguments, the last is x; 100 turns, 661.4629471031\n9: one line\n8: another\nchild of library\n")
CORNERS = (b"spawned 0: 7\ndivision: 8\noverflow: 55\nagain, executed; one thread 1\nnap 1\nheard 0, then 1\n"
           b"moved 0 to 1\nslept 1\n")
MANUAL = (b"broken 1, left 4 and more 1\nbroken 1, untouched 1\nfutex 1 1 1 1 1 1\nalternate stack 3\n"
          b"no frame to return from: 139\nnobody waits for it: 1 1\nno such CPU 1, but one of these 0: 1, 2\n")
LIMIT = 20_000_000
Programs = dict[tuple[str, str], Program]

HOSTS = [(kind, model, False) for kind in KINDS for model in KINDS[kind].models] + [("n64r6", "I6500", True)]
hosts = pytest.mark.parametrize("kind, model, mmids", HOSTS,
                                ids=[f"{kind}-{model}-{'mmids' if mmids else 'asids'}" for kind, model, mmids in HOSTS])


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    folder = tmp_path_factory.mktemp("programs")
    return {(name, kind): program_of(read_image(str(build(name, kind, folder))))
            for kind in KINDS for name in PROGRAMS}


def boot(program: Program, model: str, mmids: bool, *, cpus: int = 4, seed: int = 0, quantum: int = 2_000,
         given: bytes = b"") -> tuple[UserSystem, bytearray]:
    machine = Machine(MODELS[model], cpus, 16 << 20, program.big_endian)
    kernel = Kernel(machine, page_shift=12, quantum=quantum, seed=seed, mmids=mmids,
                    slice_ticks=LEAST_SLICE_TICKS)
    assert bool(kernel.mmid_bits) == mmids
    said = bytearray()
    return UserSystem(kernel, [program], lambda data, error: said.extend(data), given, seed), said


def finish(system: UserSystem, program: Program, *arguments: bytes) -> Ended | None:
    process = system.start(program, [program.path.encode(), *arguments])
    system.run(LIMIT)
    return process.ended


@hosts
def test_threads_with_a_lock_add_up(programs: Programs, kind: str, model: str, mmids: bool) -> None:
    """By futex, LL and SC, however the CPUs are interleaved."""
    program = programs["sum", kind]
    for seed in range(3):
        system, said = boot(program, model, mmids, seed=seed)
        assert finish(system, program, b"x") == Ended(0), f"seed {seed}"
        assert said == SUM, f"seed {seed}"
        assert system.calls.counts["futex"] > 6, f"seed {seed}"


@hosts
def test_processes_fork_signal_and_execute(programs: Programs, kind: str, model: str,
                                           mmids: bool) -> None:
    program = programs["family", kind]
    system, said = boot(program, model, mmids)
    assert finish(system, program) == Ended(0)
    assert said == FAMILY
    assert not system.calls.unknown
    assert system.counts["copies on write"] > 4
    assert not system.live and not system.threads
    assert len(system.frames) == 0
    assert system.kernel.mmu_counts["flush mm"] >= 7


@hosts
def test_what_is_not_mapped_is_a_signal_on_every_cpu(programs: Programs, kind: str, model: str,
                                                     mmids: bool) -> None:
    """A thread looks at a page on another CPU; after munmap it must fault."""
    program = programs["faults", kind]
    system, said = boot(program, model, mmids)
    ended = finish(system, program)
    assert said == FAULTS
    assert ended is not None
    assert (ended.signal, ended.detail[:8]) == (11, "read of ")
    assert system.counts["stack growth"] > 10
    assert system.kernel.mmu_counts["ginvt" if mmids else "ipi"] > 0


@pytest.mark.parametrize("kind, model", [("o32", "24Kf"), ("o32", "P5600"), ("n64", "5KEf"), ("n64r6", "I6500")])
@pytest.mark.parametrize("bits", [2, 3])
def test_more_processes_than_asids(programs: Programs, kind: str, model: str, bits: int) -> None:
    program = programs["many", kind]
    system, said = boot(program, model, False, cpus=2)
    kernel = system.kernel
    contexts = AsidContexts(kernel.mmus, bits=bits)
    kernel.contexts, kernel.flusher = contexts, Flusher(contexts, kernel.mmus, 12)
    assert finish(system, program) == Ended(0)
    assert said == b"wrong: 0\n"
    assert max(cell.load() for cell in contexts.cache) > 3 * contexts.first_version


def test_more_processes_than_mmids(programs: Programs) -> None:
    program = programs["many", "n64r6"]
    system, said = boot(program, "I6500", True, cpus=2)
    contexts = system.kernel.contexts
    assert isinstance(contexts, MmidContexts)
    contexts.count = 6
    assert finish(system, program) == Ended(0)
    assert said == b"wrong: 0\n"
    assert contexts.version.load() > 3 * contexts.first_version


@pytest.mark.parametrize("kind, model, mmids", [("o32", "P5600", False), ("o32", "24Kf", False), ("o32eb", "P5600", False),
                                                ("n64", "5KEf", False), ("n64r6", "I6500", True)])
def test_the_compilers_own_library_works(kind: str, model: str, mmids: bool, tmp_path: Path) -> None:
    program = program_of(read_image(str(build_with_library("library", kind, tmp_path))))
    system, said = boot(program, model, mmids, given=b"one line\nanother\n")
    process = system.start(program, [b"library", b"x"], [b"NAME=library"])
    system.run(10 * LIMIT)
    assert said == LIBRARY
    assert process.ended == Ended(42)


RARE = [("corners", "o32", "P5600", False), ("corners", "n64", "MIPS64R2-generic", False),
        ("corners", "n64r6", "I6500", True), ("manual", "o32", "P5600", False), ("manual", "n64r6", "I6500", True)]
SAYS = {"corners": (CORNERS, Ended(signal=6)), "manual": (MANUAL, Ended(0))}


@pytest.mark.parametrize("name, kind, model, mmids", RARE)
def test_rarer_calls_do_what_the_library_and_the_manual_expect(name: str, kind: str, model: str, mmids: bool,
                                                               tmp_path: Path) -> None:
    program = program_of(read_image(str(build_with_library(name, kind, tmp_path))))
    system, said = boot(program, model, mmids)
    process = system.start(program, [program.path.encode()])
    system.run(10 * LIMIT)
    assert (bytes(said), process.ended) == SAYS[name]
    assert not system.live and not len(system.frames)


@pytest.mark.parametrize("kind, model, mmids", [("o32", "P5600", False), ("n64r6", "I6500", True)])
@pytest.mark.parametrize("name, says", [("sum", SUM), ("family", FAMILY), ("faults", FAULTS)])
def test_programs_go_on_while_cpus_go_and_come(programs: Programs, name: str, says: bytes, kind: str, model: str,
                                               mmids: bool) -> None:
    program, chance, changes = programs[name, kind], Random(name), 0
    system, said = boot(program, model, mmids, quantum=500)
    kernel, online = system.kernel, system.kernel.scheduler.online
    process = system.start(program, [program.path.encode(), *[b"x"] * (name == "sum")])
    while not system.finished:
        number = chance.randrange(4)
        if number not in online.cpus:
            kernel.cpu_up(number)
            changes += 1
        elif number not in online.leaving and len(online.staying) > 1:
            kernel.cpu_down(number)
            changes += 1
        system.run(max(cpu.ticks for cpu in kernel.cpus) + chance.randrange(3_000))
    assert said == says
    assert process.ended is not None and changes > 5


def test_a_run_is_the_same_each_time(programs: Programs) -> None:
    program, ticks = programs["family", "o32"], []
    for step in (LIMIT, 77_777):
        system, said = boot(program, "P5600", False, seed=5)
        system.start(program, [program.path.encode()])
        while not system.finished:
            system.run(min(cpu.ticks for cpu in system.kernel.cpus) + step)
        ticks.append(([cpu.ticks for cpu in system.kernel.cpus], bytes(said), system.calls.counts, system.counts))
    assert ticks[0] == ticks[1]
