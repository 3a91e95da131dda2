"""The Malta's system controller, PCI and south bridge, through the CPU's bus."""
from __future__ import annotations

import pytest

from tests.support.board import World
from vmm.guest.board import MALTA, Built

GT = 0x1BE0_0000
IO = 0x1800_0000


class Malta(World):
    def __init__(self, big_endian: bool = False) -> None:
        super().__init__(big_endian)
        self.built: Built = MALTA.build(self.outside)
        self.bus = self.built.bus

    def register(self, offset: int) -> int:
        value = self.bus.load(GT + offset, 4)
        return int.from_bytes(value.to_bytes(4, "big"), "little") if self.outside.big_endian else value

    def set_register(self, offset: int, value: int) -> None:
        swapped = int.from_bytes(value.to_bytes(4, "big"), "little") if self.outside.big_endian else value
        self.bus.store(GT + offset, 4, swapped)

    def config(self, slot: int, function: int, at: int) -> int:
        self.set_register(0xCF8, 1 << 31 | slot << 11 | function << 8 | at)
        return self.register(0xCFC) if slot == 0 else self.bus.load(GT + 0xCFC, 4)

    def set_config(self, slot: int, function: int, at: int, value: int) -> None:
        self.set_register(0xCF8, 1 << 31 | slot << 11 | function << 8 | at)
        self.bus.store(GT + 0xCFC, 4, value)


@pytest.mark.parametrize("big", [False, True])
def test_the_functions_that_are_there(big: bool) -> None:
    board = Malta(big)
    found = {(slot, function): word for slot in range(32) for function in range(8)
             if (word := board.config(slot, function, 0)) != 0xFFFF_FFFF}
    assert found[0, 0] == 0x4620_11AB
    assert [found[10, n] for n in (0, 2, 3)] == [0x7110_8086, 0x7112_8086, 0x7113_8086]


def test_nobody_at_home_is_a_master_abort() -> None:
    board = Malta()
    board.set_register(0xC18, 0)
    assert board.config(5, 0, 0) == 0xFFFF_FFFF and board.register(0xC18) & 1 << 18
    board.set_register(0xC18, ~(1 << 18) & 0xFFFF_FFFF)
    assert not board.register(0xC18) & 1 << 18


@pytest.mark.parametrize("big", [False, True])
def test_firmware_leaves_the_windows_where_kernels_want_them(big: bool) -> None:
    board = Malta(big)
    assert (board.register(0x48), board.register(0x50), board.register(0x68)) == (0xC0, 0x40, 0xDF)
    board.bus.store(IO + 0x3F8, 1, ord("x"))
    assert board.sent == [("com1", ord("x"))]
    assert board.bus.load(0x1400_0C34, 4) == 0xFFFF_FFFF    # PCI memory now; it was there after reset
    assert board.bus.load(IO + 0x300, 4) == 0xFFFF_FFFF     # no port, no driver on the bus


def test_a_window_moves() -> None:
    board = Malta()
    board.set_register(0x48, 0xC8)
    board.set_register(0x50, 0x48)
    board.set_register(0xF0, 0)
    board.bus.store(0x1900_03F8, 1, ord("y"))
    assert board.sent == [("com1", ord("y"))] and board.bus.load(IO + 0x3F8, 4) == 0


def test_interrupts_are_acknowledged_through_the_system_controller() -> None:
    board = Malta()
    for pic, base in ((0x20, 0x00), (0xA0, 0x08)):
        for offset, word in ((0, 0x11), (1, base), (1, 4), (1, 1), (1, 0)):
            board.bus.store(IO + pic + offset, 1, word)
    board.built.chipset.set_irq(4, True)
    assert board.pins == {2: True} and board.register(0xC34) == 4 and board.pins == {2: False}


def test_pci_interrupts_are_routed_and_shared() -> None:
    board = Malta()
    isa, pics = board.built.chipset.isa, board.built.chipset.controllers
    isa.set_pirq(0, "one", True)
    isa.set_pirq(1, "two", True)                            # A and B both go to 10
    assert pics[1].state.levels == 1 << 2
    isa.set_pirq(0, "one", False)
    assert pics[1].state.levels == 1 << 2
    board.set_config(10, 0, 0x60, 0x0B0B_800B)              # A to 11, B nowhere
    assert pics[1].state.levels == 0
    isa.set_pirq(0, "one", True)
    assert pics[1].state.levels == 1 << 3


def test_a_base_register_is_sized_and_places_its_window() -> None:
    board = Malta()
    board.set_config(10, 2, 0x20, 0xFFFF_FFFF)
    assert board.config(10, 2, 0x20) == 0xFFFF_FFE1
    board.set_config(10, 2, 0x20, 0x1041)
    assert board.bus.load(IO + 0x1042, 2) == 0xFFFF
    board.set_config(10, 2, 0x04, 1)
    assert board.bus.load(IO + 0x1042, 2) == 0x20           # halted
    board.set_config(10, 2, 0x04, 0)
    assert board.bus.load(IO + 0x1042, 2) == 0xFFFF


def test_power_off() -> None:
    board = Malta()
    board.set_config(10, 3, 0x40, 0x1101)
    board.set_config(10, 3, 0x80, 1)
    board.bus.store(IO + 0x1104, 2, 0x2400)                 # suspend of another kind: nothing ends
    assert board.ends == []
    board.bus.store(IO + 0x1104, 2, 0x2000)
    assert board.ends == ["off"]


def test_the_power_management_timer_runs() -> None:
    board = Malta()
    board.set_config(10, 3, 0x40, 0x1101)
    board.set_config(10, 3, 0x80, 1)
    board.time.to(1_000_000_000)
    assert 0 <= board.bus.load(IO + 0x1108, 4) - 3_579_545 < 10


def test_the_reset_port() -> None:
    board = Malta()
    board.bus.store(IO + 0xCF9, 1, 0x02)
    assert board.ends == []
    board.bus.store(IO + 0xCF9, 1, 0x06)
    assert board.ends == ["reset"]


def test_nobody_answers_on_the_smbus() -> None:
    board = Malta()
    board.set_config(10, 3, 0x90, 0x1201)
    board.set_config(10, 3, 0xD0, 0x1_0000)
    board.set_config(10, 3, 0x04, 1)
    board.bus.store(IO + 0x1202, 1, 0x48)
    assert board.bus.load(IO + 0x1200, 1) == 0x04
