"""C programs on hosts of 1 to 8 CPUs, with ASIDs and with MMIDs, in many interleavings: they say the same in each."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.build import build
from tests.programs.test_programs import FAMILY, FAULTS, SUM, boot
from vmm.cli.host import program_of, read_image

pytestmark = pytest.mark.soak
SEEDS = 24
LIMIT = 100_000_000
CASES = [("o32", "P5600", False), ("n64r6", "I6500", False), ("n64r6", "I6500", True)]


@pytest.mark.parametrize("kind, model, mmids", CASES)
@pytest.mark.parametrize("name, expected, status", [("sum", SUM, 0), ("family", FAMILY, 0), ("faults", FAULTS, 139),
                                                    ("many", b"wrong: 0\n", 0)])
def test_every_interleaving_says_the_same(kind: str, model: str, mmids: bool, name: str, expected: bytes, status: int,
                                          tmp_path: Path) -> None:
    program = program_of(read_image(str(build(name, kind, tmp_path))))
    instructions = 0
    for seed in range(SEEDS):
        cpus, quantum = 1 + seed % 8, (150, 700, 5_000)[seed % 3]
        system, said = boot(program, model, mmids, cpus=cpus, seed=seed, quantum=quantum)
        process = system.start(program, [b"program", b"x"] if name == "sum" else [program.path.encode()])
        system.run(LIMIT)
        assert (said, process.ended and process.ended.shell_status) == (expected, status), f"seed {seed}"
        instructions += sum(cpu.retired for cpu in system.kernel.machine.cpus)
    print(f"{name} on {model} with {'MMIDs' if mmids else 'ASIDs'}: seeds 0 to {SEEDS - 1}, {instructions:,} instructions")
