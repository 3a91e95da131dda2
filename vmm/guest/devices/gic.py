"""The global interrupt controller (GIC): shared and local interrupts of many VPs, interrupts between them, and a counter.

An interrupt is pending by its line's level, or by an edge that came; with its mask bit set it drives the pin that its map
names, of one VP.  ``master`` is the VP whose access the next one is; whoever passes accesses on says it.  Registers are of
32 bits; an aligned access of 64 bits is one to two of them.  Counter and watchdogs are in ``gic_counter`` and
``gic_watchdog``.  What a core keeps for itself (timer, performance counters, software interrupts, debug channel) is shown
as not routable, and is routed in EIC mode (``gic_eic``) only.
(MIPS multiprocessing system programmer's guides, Global Interrupt Controller)
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from vmm.engine.engine import MAX_CPUS
from vmm.guest.devices.gic_counter import NS_PER_COUNT, Counter
from vmm.guest.devices.gic_eic import EIC, OWN, Cores, NoCores, requested_level
from vmm.guest.devices.gic_eic import PINS as EIC_PINS
from vmm.guest.devices.gic_watchdog import Watchdogs
from vmm.guest.devices.time import Clock
from vmm.guest.devices.window import Window, bits, copied, words

INTERRUPTS, MOST_VPS = 256, MAX_CPUS
PINS = 6
SPAN, LOCAL, OTHER, USER = 0x2_0000, 0x8000, 0xC000, 0x1_0000
REVISION = 0x0500
COUNTSTOP, COUNTBITS, NUMINTERRUPTS = 28, 24, 16            # in GIC_CONFIG; lowest is PVPS
WEDGE_SET = 1 << 31
MAP_TO_PIN, MAP_BITS, PIN_BITS = 1 << 31, 0xE000_003F, 0x3F
WORD, WORDS = 0xFFFF_FFFF, INTERRUPTS // 32
ALL = (1 << INTERRUPTS) - 1
WATCHDOG, COMPARE = 0, 1                                    # local interrupts, by bit, and their maps by number
LOCAL_BITS = 0x7F
LOCAL_AFTER_RESET = 0x32
LOCAL_MAPS = 7
MAP_TO_NMI = 1 << 30

Wire = Callable[[int, int, bool], None]
"""(VP, pin, level)"""
Action = TypeVar("Action", bound=Callable[..., Any])


def _of_vps(table: Callable[..., Callable[[Any], Any]], offset: int, **array: int) -> Callable[[Action], Action]:
    """A register that each VP has: its own in the local section, that of the VP it chose in the other one."""
    def register(action: Action) -> Action:
        for section, chosen in ((LOCAL, False), (OTHER, True)):
            def call(gic: Gic, *rest: int, chosen: bool = chosen) -> Any:   # Any: an int for a read
                vp = gic.state.other[gic.master] if chosen else gic.master
                return action(gic, vp, *rest) if vp < gic.count_of_vps else 0
            call.__name__ = f"{'other' if chosen else 'own'}_{action.__name__}"
            table(section + offset, **array)(call)
        return action
    return register


class Gic:
    regs = Window(span=SPAN, pairs=True)

    @dataclass(slots=True)
    class State:
        lines: int = bits(INTERRUPTS)                       # levels of the inputs
        edges: int = bits(INTERRUPTS)                       # that came and were not cleared
        mask: int = bits(INTERRUPTS)
        pol: int = bits(INTERRUPTS, ALL)
        trig: int = bits(INTERRUPTS)
        dual: int = bits(INTERRUPTS)
        pins: list[int] = words(INTERRUPTS, 32, MAP_TO_PIN)
        vps: list[int] = words(INTERRUPTS, 64)
        local_pend: list[int] = words(MOST_VPS, 7)
        local_mask: list[int] = words(MOST_VPS, 7, LOCAL_AFTER_RESET)
        local_maps: list[int] = words(MOST_VPS * LOCAL_MAPS, 32, MAP_TO_PIN)
        other: list[int] = words(MOST_VPS, 6)
        external: int = bits(MOST_VPS)                      # the VPs in EIC mode

    def __init__(self, clocks: Sequence[Clock], wire: Wire, nmi: Callable[[int], None] = lambda vp: None,
                 reset: Callable[[int], None] = lambda vp: None, cores: Cores | None = None) -> None:
        """A clock for each VP, by whose time its alarms come.  ``nmi``: a VP gets one.  ``reset``: its watchdog asks."""
        self._wire, self._nmi, self._cores = wire, nmi, cores or NoCores()
        self.master = 0
        self.counter = Counter(clocks, lambda: self.master, partial(self._set_pending, COMPARE))
        self.watchdogs = Watchdogs(clocks, NS_PER_COUNT, self.counter.moment, partial(self._set_pending, WATCHDOG), reset)
        self.count_of_vps = len(clocks)
        self.state = self.State()
        self._shared = [0] * self.count_of_vps                    # pins driven by shared interrupts, a bit each
        self._local = [0] * self.count_of_vps
        self._driven = [0] * self.count_of_vps
        self._shared_nmi, self._nmi_driven = 0, 0                 # a bit for each VP

    # -- interrupts ----------------------------------------------------------------------------------------------------
    def set_line(self, number: int, level: bool) -> None:
        """A shared input."""
        state, bit = self.state, 1 << number
        if bool(state.lines & bit) == level:
            return
        state.lines ^= bit
        if state.trig & bit and (state.dual & bit or level == bool(state.pol & bit)):
            state.edges |= bit
        self._update()

    @property
    def pending(self) -> int:
        state = self.state
        return (state.edges & state.trig) | (~(state.lines ^ state.pol) & ~state.trig & ALL)

    def _update(self) -> None:
        state, live = self.state, self.pending & self.state.mask
        driven = [0] * self.count_of_vps
        self._shared_nmi = 0
        while live:
            number = (live & -live).bit_length() - 1
            live &= live - 1
            vp, target = _lowest(state.vps[number]), state.pins[number]
            if vp < self.count_of_vps:
                driven[vp] |= _pin(target)
                self._shared_nmi |= 1 << vp if target & MAP_TO_NMI else 0
        self._shared = driven
        for vp in range(self.count_of_vps):
            self._drive(vp)

    def _drive(self, vp: int) -> None:
        self._drive_nmi(vp)
        pins, before, external = self._shared[vp] | self._local[vp], self._driven[vp], self.is_external(vp)
        self._driven[vp] = wanted = 0 if external else pins & (1 << PINS) - 1
        for pin in range(PINS if wanted != before else 0):
            if (wanted ^ before) >> pin & 1:
                self._wire(vp, pin, bool(wanted >> pin & 1))
        if external:
            self._cores.request(vp, requested_level(pins))

    def _drive_nmi(self, vp: int) -> None:
        """What is there comes once, when it comes."""
        wanted = bool(self._shared_nmi >> vp & 1) or any(target & MAP_TO_NMI for target in self._live_targets(vp))
        if wanted and not self._nmi_driven >> vp & 1:
            self._nmi(vp)
        self._nmi_driven = self._nmi_driven & ~(1 << vp) | wanted << vp

    def _live_targets(self, vp: int) -> list[int]:
        """Where the local interrupts go that are pending and not masked."""
        state = self.state
        live = state.local_pend[vp] & state.local_mask[vp]
        return [state.local_maps[vp * LOCAL_MAPS + n] for n in (WATCHDOG, COMPARE) if live >> n & 1]

    def _update_local(self, vp: int) -> None:
        self._local[vp] = sum({_pin(to) for to in self._live_targets(vp)})
        if self.is_external(vp):
            mask, maps = self.state.local_mask[vp], self.state.local_maps[vp * LOCAL_MAPS:]
            self._cores.set_own_levels(vp, [requested_level(_pin(maps[at])) if mask >> n & 1 else 0 for n, at in OWN])
        self._drive(vp)

    def is_external(self, vp: int) -> bool:
        return bool(self.state.external >> vp & 1)

    def renew(self, vp: int) -> None:
        """Tell a core of EIC mode, or after its reset of all that it then needs to know."""
        self._cores.show_controller(vp, self.is_external(vp))
        self._update_local(vp)

    def _set_pending(self, local: int, vp: int, pending: bool) -> None:
        self.state.local_pend[vp] = self.state.local_pend[vp] & ~(1 << local) | pending << local
        self._update_local(vp)

    # -- shared registers ----------------------------------------------------------------------------------------------
    @regs.read(0x000)
    def config(self) -> int:
        return (int(self.counter.state.stopped) << COUNTSTOP | (64 - 32) // 4 << COUNTBITS
                | (INTERRUPTS // 8 - 1) << NUMINTERRUPTS | self.count_of_vps)

    @regs.write(0x000)
    def set_config(self, value: int) -> None:
        self.counter.stop(bool(value >> COUNTSTOP & 1))

    @regs.read(0x010)
    @regs.read(USER)
    def counter_low(self) -> int:
        return self.counter.count & WORD

    @regs.read(0x014)
    @regs.read(USER + 4)
    def counter_high(self) -> int:
        return self.counter.count >> 32

    @regs.write(0x010)
    def set_counter_low(self, value: int) -> None:
        self.counter.set_count(self.counter.count & ~WORD | value)

    @regs.write(0x014)
    def set_counter_high(self, value: int) -> None:
        self.counter.set_count(self.counter.count & WORD | value << 32)

    @regs.read(0x020)
    def revision(self) -> int:
        return REVISION

    @regs.write(0x280)
    def wedge(self, value: int) -> None:
        """Set or clear the edge of one interrupt."""
        bit = 1 << (value & INTERRUPTS - 1)
        self.state.edges = self.state.edges | bit if value & WEDGE_SET else self.state.edges & ~bit
        self._update()

    @regs.write(0x300, count=WORDS, step=4)
    def rmask(self, n: int, value: int) -> None:
        self.state.mask &= ~(value << 32 * n)
        self._update()

    @regs.write(0x380, count=WORDS, step=4)
    def smask(self, n: int, value: int) -> None:
        self.state.mask |= value << 32 * n
        self._update()

    @regs.read(0x400, count=WORDS, step=4)
    def mask(self, n: int) -> int:
        return self.state.mask >> 32 * n

    @regs.read(0x480, count=WORDS, step=4)
    def pend(self, n: int) -> int:
        return self.pending >> 32 * n

    @regs.read(0x500, count=INTERRUPTS, step=4)
    def map_pin(self, n: int) -> int:
        return self.state.pins[n]

    @regs.write(0x500, count=INTERRUPTS, step=4)
    def set_map_pin(self, n: int, value: int) -> None:
        self.state.pins[n] = value & MAP_BITS
        self._update()

    @regs.read(0x2000, count=INTERRUPTS, step=0x20)
    def map_vp_low(self, n: int) -> int:
        return self.state.vps[n] & WORD

    @regs.read(0x2004, count=INTERRUPTS, step=0x20)
    def map_vp_high(self, n: int) -> int:
        return self.state.vps[n] >> 32

    @regs.write(0x2000, count=INTERRUPTS, step=0x20)
    def set_map_vp_low(self, n: int, value: int) -> None:
        self.state.vps[n] = self.state.vps[n] & ~WORD | value
        self._update()

    @regs.write(0x2004, count=INTERRUPTS, step=0x20)
    def set_map_vp_high(self, n: int, value: int) -> None:
        self.state.vps[n] = self.state.vps[n] & WORD | value << 32
        self._update()

    # -- local registers -----------------------------------------------------------------------------------------------
    @_of_vps(regs.read, 0x000)
    def ctl(self, vp: int) -> int:
        return EIC * self.is_external(vp)

    @_of_vps(regs.write, 0x000)
    def set_ctl(self, vp: int, value: int) -> None:
        self.state.external = self.state.external & ~(1 << vp) | (value & EIC) << vp
        self.renew(vp)

    @_of_vps(regs.read, 0x004)
    def local_pend(self, vp: int) -> int:
        return self.state.local_pend[vp] | (self._cores.own_pending(vp) if self.is_external(vp) else 0)

    @_of_vps(regs.read, 0x008)
    def local_mask(self, vp: int) -> int:
        return self.state.local_mask[vp]

    @_of_vps(regs.write, 0x00C)
    def local_rmask(self, vp: int, value: int) -> None:
        self.state.local_mask[vp] &= ~value
        self._update_local(vp)

    @_of_vps(regs.write, 0x010)
    def local_smask(self, vp: int, value: int) -> None:
        self.state.local_mask[vp] |= value & LOCAL_BITS
        self._update_local(vp)

    @_of_vps(regs.read, 0x040, count=LOCAL_MAPS, step=4)
    def local_map(self, vp: int, n: int) -> int:
        return self.state.local_maps[vp * LOCAL_MAPS + n]

    @_of_vps(regs.write, 0x040, count=LOCAL_MAPS, step=4)
    def set_local_map(self, vp: int, n: int, value: int) -> None:
        self.state.local_maps[vp * LOCAL_MAPS + n] = value & MAP_BITS
        self._update_local(vp)

    @_of_vps(regs.read, 0x080)
    def other(self, vp: int) -> int:
        return self.state.other[vp]

    @_of_vps(regs.write, 0x080)
    def set_other(self, vp: int, value: int) -> None:
        self.state.other[vp] = value & MOST_VPS - 1

    @_of_vps(regs.read, 0x088)
    def ident(self, vp: int) -> int:
        return vp

    @_of_vps(regs.read, 0x090)
    def wd_config(self, vp: int) -> int:
        return self.watchdogs.state.config[vp]

    @_of_vps(regs.read, 0x098)
    def wd_initial(self, vp: int) -> int:
        return self.watchdogs.state.initial[vp]

    @_of_vps(regs.write, 0x098)
    def set_wd_initial(self, vp: int, value: int) -> None:
        self.watchdogs.state.initial[vp] = value

    @_of_vps(regs.write, 0x090)
    def set_wd_config(self, vp: int, value: int) -> None:
        self.watchdogs.configure(vp, value)

    @_of_vps(regs.read, 0x094)
    def wd_count(self, vp: int) -> int:
        return self.watchdogs.count(vp)

    @_of_vps(regs.read, 0x100, count=EIC_PINS, step=4)
    def eic_shadow_set(self, _vp: int, _pin: int) -> int:
        return 0

    @_of_vps(regs.write, 0x100, count=EIC_PINS, step=4)
    def set_eic_shadow_set(self, _vp: int, _pin: int, _value: int) -> None:
        """There is only that one."""

    @_of_vps(regs.read, 0x0A0)
    def compare_low(self, vp: int) -> int:
        return self.counter.state.compare[vp] & WORD

    @_of_vps(regs.read, 0x0A4)
    def compare_high(self, vp: int) -> int:
        return self.counter.state.compare[vp] >> 32

    @_of_vps(regs.write, 0x0A0)
    def set_compare_low(self, vp: int, value: int) -> None:
        self.counter.set_compare(vp, self.counter.state.compare[vp] & ~WORD | value)

    @_of_vps(regs.write, 0x0A4)
    def set_compare_high(self, vp: int, value: int) -> None:
        self.counter.set_compare(vp, self.counter.state.compare[vp] & WORD | value << 32)

    # -- snapshots -----------------------------------------------------------------------------------------------------
    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
        self._nmi_driven = (1 << self.count_of_vps) - 1          # those that were there have come
        for vp in range(self.count_of_vps):
            self.renew(vp)
        self._update()


def _pin(target: int) -> int:
    """The bit of the pin that a map names, if it does."""
    return 1 << (target & PIN_BITS) if target & MAP_TO_PIN else 0


def _lowest(ones: int) -> int:
    """The number of the lowest bit that is set; of no bits, more than any VP's."""
    return (ones & -ones).bit_length() - 1 if ones else MOST_VPS


def _bit_array(offset: int, name: str) -> None:
    """A register array of the state's field ``name``, with a bit for each interrupt."""
    def load(gic: Gic, n: int) -> int:
        return int(getattr(gic.state, name)) >> 32 * n

    def store(gic: Gic, n: int, value: int) -> None:
        setattr(gic.state, name, getattr(gic.state, name) & ~(WORD << 32 * n) | value << 32 * n)
        gic._update()

    load.__name__, store.__name__ = name, f"set_{name}"
    Gic.regs.read(offset, count=WORDS, step=4)(load)
    Gic.regs.write(offset, count=WORDS, step=4)(store)


for _offset, _name in ((0x100, "pol"), (0x180, "trig"), (0x200, "dual")):
    _bit_array(_offset, _name)
