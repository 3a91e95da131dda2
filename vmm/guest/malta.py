"""What is on a Malta board between the CPU and its devices: system controller, PCI, south bridge, interrupts.

``MaltaChipset`` is the wiring; each part is a device of its own.  ``firmware`` leaves the registers as YAMON does.
(MIPS MD00048, chapters 4 to 7; YAMON user's manual, MD00008.)
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from vmm.errors import ConfigError
from vmm.guest.bus import Bus, Piece, Unclaimed
from vmm.guest.devices.fdc37m81x import Configuration
from vmm.guest.devices.gt64120 import IO, ISD, MEMORY0, MEMORY1, Gt64120
from vmm.guest.devices.i8042 import I8042, CommandPort
from vmm.guest.devices.i8237 import I8237, PageRegisters
from vmm.guest.devices.i8254 import I8254, PortB
from vmm.guest.devices.i8259 import I8259, TriggerModes
from vmm.guest.devices.ide import IdeChannel
from vmm.guest.devices.mc146818 import Mc146818
from vmm.guest.devices.pci import COMMAND_MASTER, COMMAND_ONES, Identity, PciBus, PciFunction
from vmm.guest.devices.piix4 import PIRQ, IsaBridge, PowerFunction, PowerManagement, ResetControl, SmBus, Uhci, usb
from vmm.guest.devices.piix4_ide import BusMaster, ControlPort, IdeFunction
from vmm.guest.devices.ps2 import Keyboard, Mouse
from vmm.guest.devices.window import Device
from vmm.guest.inputlog import Receiver
from vmm.guest.outside import CpuPin, Line, Outside, Source

INTERRUPT_PIN = 2                                           # of the CPU: the interrupt controllers' output
ISA_PORTS, PCI_MEMORY = 0x1_0000_0000, 0x1_0000_0000        # sizes of the PCI address spaces
CASCADE = 2
KEYBOARD_IRQS, IDE_IRQS = (1, 12), (14, 15)
IDE_DISKS = 4                                               # two on each channel
ISA_EDGE_ONLY = 0x07, 0x21                                  # inputs that cannot be level-triggered: 0, 1, 2; 8, 13
SOUTH_BRIDGE = 10                                           # its slot
CARD_SLOTS = range(18, 22)
FUNCTIONS, PINS = 8, 4                                      # of a PCI device; INTA to INTD

# The system controller as YAMON leaves it: register, value.  Its own registers first, from their place after reset.
ISD_AFTER_RESET, ISD_VALUE = 0x1400_0000, 0xDF
DECODERS = (
    (IO[0], 0xC0), (IO[1], 0x40), (IO[2], 0x00),            # 18000000-181fffff, ports from 0
    (MEMORY0[0], 0x80), (MEMORY0[1], 0x3F),                 # 10000000-17ffffff
    (MEMORY1[0], 0xC1), (MEMORY1[1], 0x5E),                 # 18200000-1bdfffff
)
PIRQ_ROUTES = 0x0B0B_0A0A                                   # A and B to 10, C and D to 11
PIRQ_LEVELS = 0x0C                                          # which are level-triggered


class MaltaChipset:
    def __init__(self, outside: Outside, bus: Bus, unclaimed: Callable[[Unclaimed], None]) -> None:
        self._bus, self._outside, self._big = bus, outside, outside.big_endian
        self.io = Bus(False, [(0, ISA_PORTS)], unclaimed, floating=0xFF)
        self.memory = Bus(False, [(0, PCI_MEMORY)], unclaimed, floating=0xFF)
        self.devices: dict[str, Device] = {}
        self.functions: dict[str, PciFunction] = {}
        self._entrances: list[tuple[Callable[[], Iterable[bytes]], Receiver]] = []  # of the cards
        self.sources: list[Source] = []
        self._decoded: list[Piece] = []
        self._interrupts()
        self._clocks()
        self._dma()
        self._super_io()
        self._south_bridge()
        self._cards()
        self.gt = Gt64120(self._big, self.pci, self.controllers[0].acknowledge, self._decode)
        self._add("gt", self.gt)
        self._decode()

    # -- interrupts --------------------------------------------------------------------------------------------
    def _interrupts(self) -> None:
        second = I8259(lambda level: first.set_line(CASCADE, level), elcr_ones=0xFF & ~ISA_EDGE_ONLY[1])
        first = I8259(self._interrupt_cpu, {CASCADE: second.acknowledge}, elcr_ones=0xFF & ~ISA_EDGE_ONLY[0])
        self.controllers = first, second
        self._add("pic1", first, 0x20)
        self._add("pic2", second, 0xA0)
        self._add("elcr", TriggerModes(first, second), 0x4D0)

    def _interrupt_cpu(self, level: bool) -> None:
        self._outside.pin(INTERRUPT_PIN, level)

    def set_irq(self, irq: int, level: bool) -> None:
        """An ISA interrupt line."""
        self.controllers[irq >> 3].set_line(irq & 7, level)

    def interrupt(self, line: Line, level: bool) -> None:
        if isinstance(line, CpuPin):
            self._outside.pin(line.pin, level)
        else:
            self.set_irq(line.irq, level)

    # -- parts -------------------------------------------------------------------------------------------------
    def _add(self, name: str, device: Device, port: int | None = None, shift: int = 0) -> None:
        self.devices[name] = device
        if port is not None:
            self.io.attach(port, device, shift)

    def _clocks(self) -> None:
        clock = self._outside.clock
        timer = I8254(clock, partial(self.set_irq, 0))
        self._add("pit", timer, 0x40)
        self._add("portb", PortB(clock, timer), 0x61)
        self._add("rtc", Mc146818(clock, partial(self.set_irq, 8), self._outside.start), 0x70)

    def _dma(self) -> None:
        self._add("dma1", I8237(), 0x00)
        self._add("dma2", I8237(), 0xC0, shift=1)
        self._add("dmapages", PageRegisters(), 0x80)

    def _super_io(self) -> None:
        """Its serial ports are rows of the board."""
        keyboard = I8042(Keyboard(), Mouse(), *(partial(self.set_irq, irq) for irq in KEYBOARD_IRQS))
        self._add("i8042", keyboard, 0x60)
        self._add("i8042cmd", CommandPort(keyboard), 0x64)
        self._add("superio", Configuration(), 0x3F0)

    def _south_bridge(self) -> None:
        self.pci = PciBus(self.io, self.memory)
        controller = PciFunction(Identity(0x11AB, 0x4620, 0x06_00_00, revision=0x10))
        controller.row(0x04, 2, COMMAND_MASTER, ones=COMMAND_ONES)
        controller.row(0x10, 24, 0, ones=int.from_bytes(b"\x00\xf0\xff\xff" * 6, "little"))
        self._plug("pci00.0", 0, 0, controller)
        self.isa = IsaBridge(self.set_irq)
        self._plug("pci0a.0", SOUTH_BRIDGE, 0, self.isa)
        self._add("reset", ResetControl(self._outside.reset), 0xCF9)
        self._ide()
        uhci, smbus = Uhci(self._outside.clock), SmBus()
        management = PowerManagement(self._outside.clock, self._outside.power_off)
        for name, device in (("uhci", uhci), ("pm", management), ("smbus", smbus)):
            self._add(name, device)
        self._plug("pci0a.2", SOUTH_BRIDGE, 2, usb(uhci))
        self._plug("pci0a.3", SOUTH_BRIDGE, 3, PowerFunction(management, smbus))

    def _ide(self) -> None:
        if (wanted := len(self._outside.disks)) > IDE_DISKS:
            raise ConfigError(f"{wanted} IDE disks: this board takes {IDE_DISKS}; make the others virtio disks")
        disks = [*self._outside.disks, *[None] * IDE_DISKS]
        first, second = (IdeChannel(partial(self.set_irq, irq), disks[2 * n:2 * n + 2]) for n, irq in enumerate(IDE_IRQS))
        controls = ControlPort(first), ControlPort(second)
        master = BusMaster((first, second), self._outside.memory)
        self.devices |= {"ide1": first, "ide2": second, "ide1ctl": controls[0], "ide2ctl": controls[1], "idedma": master}
        self._plug("pci0a.1", SOUTH_BRIDGE, 1, IdeFunction((first, second), controls, master))

    def _cards(self) -> None:
        """The slots in turn, one function each; from the fifth card on, further functions of the same slots."""
        cards, most = self._outside.cards, len(CARD_SLOTS) * FUNCTIONS
        if len(cards) > most:
            raise ConfigError(f"{len(cards)} PCI cards: this board takes {most}; leave some out")
        for index, card in enumerate(cards):
            number, place = divmod(index, len(CARD_SLOTS))
            plugged, name = card.plug(self._outside), f"pci{CARD_SLOTS[place]:02x}.{number}"
            pin = number % PINS                             # each slot's pins begin one PIRQ further
            plugged.function.wire(pin + 1, partial(self.isa.set_pirq, (place + pin) % PINS, name))
            self._plug(name, CARD_SLOTS[place], number, plugged.function)
            self.devices |= {f"{name}.{part}": device for part, device in plugged.devices.items()}
            self._entrances.append((plugged.attend, self._outside.input.entrance(name, plugged.receive)))
            self.sources += [] if plugged.source is None else [plugged.source]

    def attend(self) -> None:
        """Between two runs: let in what has come for the cards."""
        for arrived, enter in self._entrances:
            for piece in arrived():
                enter(piece)

    def _plug(self, name: str, slot: int, number: int, function: PciFunction) -> None:
        self.pci.plug(slot, number, function)
        self._add(name, function)
        self.functions[name] = function

    # -- decoding ------------------------------------------------------------------------------------------------
    def _decode(self) -> None:
        """The system controller's windows, under everything that is on the board's own buses."""
        for piece in self._decoded:
            self._bus.detach(piece)
        self._decoded = []
        for registers, space in ((IO, self.io), (MEMORY0, self.memory), (MEMORY1, self.memory)):
            window = self.gt.window(registers)
            if window is not None:
                self._decoded.append(self._bus.bridge(window.base, window.size, space, window.target, bottom=True))
        self._decoded.append(self._bus.attach(self.gt.internal, self.gt, bottom=True))

    def firmware(self) -> None:
        """What YAMON has done before it starts a kernel."""
        self._bus.store(ISD_AFTER_RESET + ISD, 4, self._ordered(ISD_VALUE))
        for register, value in DECODERS:
            self._bus.store(self.gt.internal + register, 4, self._ordered(value))
        self.isa.store(PIRQ, 4, PIRQ_ROUTES)
        self.controllers[1].set_elcr(PIRQ_LEVELS)

    def _ordered(self, word: int) -> int:
        return int.from_bytes(word.to_bytes(4, "little"), "big" if self._big else "little")
