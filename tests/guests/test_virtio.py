"""A driver in C finds the cards on PCI and uses them bare, under VZ and under trap-and-emulate, in both byte orders."""
from __future__ import annotations

from dataclasses import replace
from functools import reduce
from pathlib import Path

import pytest

from tests.guests.build import TARGETS, build
from tests.support.cli import vmm
from vmm.cli.choose import make_system, request
from vmm.guest.cards import DiskCard, EntropyCard
from vmm.guest.console import MemoryConsole
from vmm.guest.devices.virtio.rng import VirtioRng
from vmm.guest.disk import MemoryDisk

SEED, LIMIT = 12, 4_000_000
WAYS = [(target, mode) for target, kind in TARGETS.items() for mode in kind.modes]


def fnv(data: bytes) -> int:
    return reduce(lambda total, byte: (total ^ byte) * 0x0100_0193 & 0xFFFF_FFFF, data, 0x811C_9DC5)


@pytest.mark.parametrize(("target", "mode"), WAYS)
def test_a_driver_in_c(target: str, mode: str, tmp_path: Path) -> None:
    contents = bytes(n * n & 0xFF for n in range(4 * 512))
    disk, console = MemoryDisk(contents), MemoryConsole()
    wanted = replace(request(str(build("virtio", target, tmp_path)), mode=mode), cards=(EntropyCard(SEED), DiskCard(disk)))
    system = make_system(wanted, console)
    system.run(LIMIT)
    assert system.ending is not None, console.text
    numbers = VirtioRng(SEED).stream(900, 100)
    assert console.text == (f"entropy 0x{fnv(numbers):08x}\nsectors 0x00000004\nsector 0x{fnv(contents[512:1024]):08x}\n"
                            "beyond 0x00000001\n")
    assert system.ending.status == 0 and disk.read(0, 4) == contents[:1024] + contents[512:1024] + contents[1536:]


@pytest.mark.parametrize("mode", ["bare", "vz"])
def test_the_same_run_however_it_is_cut(mode: str, tmp_path: Path) -> None:
    image = str(build("virtio", "bare32", tmp_path))
    found = []
    for slice_ticks in (LIMIT, 777):
        wanted = replace(request(image, mode=mode), cards=(EntropyCard(), DiskCard(MemoryDisk(bytes(2048)))))
        console = MemoryConsole()
        system = make_system(wanted, console)
        core = system.machine.cpus[0]
        while system.ending is None and core.ticks < LIMIT:
            system.run(core.ticks + slice_ticks)
        found.append((console.text, core.ticks, core.retired, system.exits))
    assert found[0] == found[1]


def test_the_same_from_the_command_line(tmp_path: Path) -> None:
    contents, image = bytes(512) + b"copied" + bytes(1530), tmp_path / "disk.img"
    image.write_bytes(contents)
    ran = vmm("run", str(build("virtio", "bare32", tmp_path)), "--device", f"virtio-rng,seed={SEED}", "--device",
              f"virtio-console,file:{tmp_path / 'said'}", "--disk", f"{image},if=virtio", "--max-insns", "20M")
    assert (ran.err, ran.status) == ("", 0) and f"entropy 0x{fnv(VirtioRng(SEED).stream(900, 100)):08x}" in ran.out
    assert image.read_bytes()[1024:1030] == b"copied" and (tmp_path / "said").read_bytes() == b""
