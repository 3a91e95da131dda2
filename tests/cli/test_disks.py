"""``--disk``: which disks a machine gets, and that they are free again when a run is over."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from vmm.cli.choose import request
from vmm.errors import ConfigError
from vmm.guest.cards import DiskCard

LOOP, NOP = 0x1000_FFFF, 0


@pytest.fixture
def images(workplace: Path) -> list[str]:
    for name in "abcde":
        (workplace / name).write_bytes(bytes(512 * (1 + ord(name) - ord("a"))))
    return list("abcde")


def test_disks_by_interface(images: list[str]) -> None:
    asked = request(disk=["a", "b,if=virtio,readonly", "c"])
    [card] = asked.cards
    assert [disk.sectors for disk in asked.disks] == [1, 3]
    assert isinstance(card, DiskCard) and card.read_only and card.disk.sectors == 2
    asked.close()
    request(disk="a").close()


def test_a_mistake_frees_what_was_opened(images: list[str]) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        request(disk=["a", "none"])
    request(disk="a").close()


def test_a_run_frees_its_disks(images: list[str], code: Callable[..., str]) -> None:
    for _ in range(2):
        ran = vmm("run", code(LOOP, NOP), "--mode", "bare", "--engine", "reference", "--max-insns", "9",
                  "--disk", "a", "--disk", "b")
        assert ran.status == 124


def test_too_many(images: list[str], code: Callable[..., str]) -> None:
    disks = [word for name in images for word in ("--disk", name)]
    assert "5 IDE disks: this board takes 4" in refused(vmm("run", code(LOOP, NOP), "--mode", "bare", *disks))
    assert "is in use" in refused(vmm("run", code(LOOP, NOP), "--disk", "a", "--disk", "a,if=virtio"))
