"""PCI cards on the Malta: which slot and line each gets, capabilities, the interrupt's bits, saved configuration."""
from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from tests.support.board import World
from vmm.errors import ConfigError
from vmm.guest.board import MALTA, Built
from vmm.guest.devices.pci import Identity, PciFunction
from vmm.guest.inputlog import Input, InputLog
from vmm.guest.outside import Outside, Plugged

NO_INTERRUPT = 0x400


@dataclass
class Bell:
    """A card that can only ring."""
    number: int
    waiting: list[bytes] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def plug(self, outside: Outside) -> Plugged:
        function = PciFunction(Identity(0x1234, self.number, 0xFF_00_00, subsystem=(0x5678, 9)))
        return Plugged(function, attend=lambda: self.waiting, receive=self.received.append)


def board(count: int, log: InputLog | None = None) -> tuple[Built, list[Bell]]:
    bells = [Bell(n) for n in range(count)]
    outside = replace(World().outside, cards=tuple(bells))
    return MALTA.build(outside if log is None else replace(outside, input=log)), bells


def config(built: Built, slot: int, number: int, at: int) -> int:
    built.bus.store(0x1BE0_0CF8, 4, 1 << 31 | slot << 11 | number << 8 | at)
    return built.bus.load(0x1BE0_0CFC, 4)


def set_config(built: Built, slot: int, number: int, at: int, value: int) -> None:
    built.bus.store(0x1BE0_0CF8, 4, 1 << 31 | slot << 11 | number << 8 | at)
    built.bus.store(0x1BE0_0CFC, 4, value)


def irqs(built: Built) -> list[int]:
    first, second = built.chipset.controllers
    return [irq for irq in range(16) if irq != 2 and (first, second)[irq >> 3].state.levels >> (irq & 7) & 1]


def test_cards_fill_the_slots_in_turn_and_then_their_functions() -> None:
    built, _ = board(6)
    found = {(slot, number): config(built, slot, number, 0) >> 16 for slot in range(11, 32) for number in range(8)
             if config(built, slot, number, 0) != 0xFFFF_FFFF}
    assert found == {(18, 0): 0, (19, 0): 1, (20, 0): 2, (21, 0): 3, (18, 1): 4, (19, 1): 5}
    multifunction = [slot for slot in (18, 19, 20, 21) if config(built, slot, 0, 0x0C) >> 16 & 0x80]
    assert multifunction == [18, 19]
    assert config(built, 18, 0, 0x2C) == 9 << 16 | 0x5678


def test_too_many_cards() -> None:
    board(32)
    with pytest.raises(ConfigError, match="33 PCI cards: this board takes 32; leave some out"):
        board(33)


@pytest.mark.parametrize("slot, number, pirq", [
    (18, 0, 0), (19, 0, 1), (20, 0, 2), (21, 0, 3), (18, 1, 1), (21, 1, 0), (20, 2, 0), (19, 3, 0), (18, 4, 0)])
def test_each_pin_goes_where_the_board_leads_it(slot: int, number: int, pirq: int) -> None:
    built, _ = board(20)
    set_config(built, 10, 0, 0x60, 0x0B0A_0907)             # a line for each PIRQ
    built.chipset.functions[f"pci{slot:02x}.{number}"].interrupt(True)
    assert irqs(built) == [(7, 9, 10, 11)[pirq]]
    pin = config(built, slot, number, 0x3C) >> 8 & 0xFF
    assert pirq == (slot - 18 + pin - 1) % 4


def test_a_shared_line_is_up_while_anyone_raises_it() -> None:
    built, _ = board(5)
    one, other = (built.chipset.functions[name] for name in ("pci13.0", "pci12.1"))
    one.interrupt(True)
    other.interrupt(True)
    one.interrupt(False)
    assert irqs(built) == [10]
    other.interrupt(False)
    assert irqs(built) == []


def test_the_command_register_disables_the_interrupt_but_not_its_bit() -> None:
    built, _ = board(1)
    set_config(built, 18, 0, 0x04, NO_INTERRUPT)
    built.chipset.functions["pci12.0"].interrupt(True)
    assert irqs(built) == [] and config(built, 18, 0, 0x04) >> 16 & 0x08
    set_config(built, 18, 0, 0x04, 0)
    assert irqs(built) == [10]
    set_config(built, 18, 0, 0x04, 0xFFFF_0000)             # software cannot clear it
    assert irqs(built) == [10] and config(built, 18, 0, 0x04) >> 16 & 0x08


def test_capabilities_form_a_list() -> None:
    function = PciFunction(Identity(1, 2, 3))
    assert not function.load(0x06, 2) & 0x10 and not function.load(0x34, 1)
    first, second = function.capability(9, b"\x05abcde"), function.capability(5, b"\x06xyzw")
    assert function.load(0x06, 2) & 0x10 and function.load(0x34, 1) == first == 0x40
    assert bytes(function.state.config[first:first + 8]) == bytes([9, second]) + b"\x05abcde"[:6]
    assert bytes(function.state.config[second:second + 6]) == b"\x05\x00\x06xyz"
    function.store(first, 4, 0)
    assert function.load(first, 1) == 9                     # read-only


def test_the_configuration_is_saved_with_the_devices() -> None:
    (one, _), (other, _) = board(2), board(2)
    set_config(one, 19, 0, 0x3C, 10)
    one.chipset.functions["pci13.0"].interrupt(True)
    for name, device in one.devices.items():
        other.devices[name].restore(device.save())
    assert config(other, 19, 0, 0x3C) & 0xFF == 10 and irqs(other) == [10]
    other.chipset.functions["pci13.0"].interrupt(False)
    assert irqs(other) == []


def test_cards_are_attended_between_runs() -> None:
    built, bells = board(2)
    bells[1].waiting += [b"one", b"two"]
    built.chipset.attend()
    assert [bell.received for bell in bells] == [[], [b"one", b"two"]]


def test_what_comes_for_a_card_is_in_the_input_log() -> None:
    log = InputLog(lambda: (7, 5), keep=9)
    built, bells = board(2, log)
    bells[1].waiting.append(b"ding")
    built.chipset.attend()
    assert list(log.entries) == [Input(7, 5, "pci13.0", b"ding")]
    log.again(log.entries[0])
    assert bells[1].received == [b"ding", b"ding"]
