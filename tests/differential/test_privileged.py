"""The comparison with QEMU as a test, where QEMU is installed: a few cases always, many by name.

Counts: VMM_SEED and VMM_COUNT choose the seed and the number of cases of each kind; both are printed.
"""
from __future__ import annotations

import os

import pytest

from tests.differential.privileged import differences, write
from tests.differential.qemu import has_qemu, program_name
from vmm.arch.models import find_model

SEED, COUNT = int(os.environ.get("VMM_SEED", "1")), int(os.environ.get("VMM_COUNT", "100"))


def require_qemu(bits: int = 32, big_endian: bool = False) -> None:
    if not has_qemu(bits, big_endian):
        pytest.fail(f"{program_name(bits, big_endian)} is not here: apt-get install qemu-system-mips, or make tools")


@pytest.mark.soak
@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("cpu", ["24Kf", "5KEf", "P5600", "MIPS64R2-generic", "I6400"])
def test_qemu_agrees(cpu: str, big_endian: bool) -> None:
    require_qemu(find_model(cpu).bits, big_endian)
    print(f"{cpu}: seed {SEED}, {COUNT} cases of each kind")
    assert differences(cpu, write(cpu, big_endian, SEED, COUNT)) == []


def test_qemu_agrees_on_some() -> None:
    require_qemu()
    assert differences("P5600", write("P5600", big_endian=False, seed=11, count=6)) == []
