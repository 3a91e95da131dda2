"""Several VPs with interrupts between them: the same program on QEMU's Malta with CPS prints the same."""
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.differential.qemu import has_qemu, program_name
from tests.support.many_cpus import STOPPING_PRINTS, expected, image, stopping_image


def printed_by_qemu(program: bytes, cpus: int, big_endian: bool, folder: Path) -> list[int]:
    if not has_qemu(64, big_endian):
        pytest.fail(f"{program_name(64, big_endian)} is not here: apt-get install qemu-system-mips, or make tools")
    kernel, out = folder / "many.elf", folder / "out"
    kernel.write_bytes(program)
    subprocess.run([program_name(64, big_endian), "-M", "malta", "-cpu", "I6400", "-smp", str(cpus), "-m", "256", "-kernel",
                    str(kernel), "-display", "none", "-vga", "none", "-monitor", "none", "-serial", f"file:{out}",
                    "-no-reboot", "-net", "none"],
                   timeout=60, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return [int(line, 16) for line in out.read_text().split()]


@pytest.mark.parametrize("big_endian", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("cpus", [2, 4])
def test_qemu_prints_what_we_print(cpus: int, big_endian: bool, tmp_path: Path) -> None:
    assert printed_by_qemu(image(cpus, big_endian), cpus, big_endian, tmp_path) == expected(cpus)


def test_dvp_and_evp_stop_and_restart_a_vp_on_qemu_too(tmp_path: Path) -> None:
    assert printed_by_qemu(stopping_image(20_000), 2, False, tmp_path) == STOPPING_PRINTS
