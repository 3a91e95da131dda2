"""What a host finds out about its CPUs' ids, and from where their counts go on.  Rows HM-5, HM-6, HM-7, HM-48, HM-52."""
from __future__ import annotations

import pytest

from vmm.arch.cp0.fields import Register
from vmm.arch.cp0.registers import Config, Config5, MemoryMapID
from vmm.arch.models import MODELS
from vmm.host.kernel.asids import AsidContexts
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.mmu import probe_mmids
from vmm.host.kernel.steps import drain
from vmm.host.machine import Machine

RELEASE_2, RELEASE_6 = 1, 2                                 # Config.AR


class Core:
    """A CPU of some release, whose MemoryMapID keeps so many bits; 0: Config5.MI cannot be set."""

    def __init__(self, bits: int, release: int = RELEASE_6) -> None:
        self.bits = bits
        self.root: dict[type[Register], int] = {Config: Config.AR.at(release), Config5: Config5.GI.at(3),
                                                MemoryMapID: 5 & (1 << bits) - 1}

    def mfc0(self, register: type[Register]) -> int:
        return self.root[register]

    def mtc0(self, register: type[Register], value: int) -> None:
        if register is MemoryMapID:
            value &= (1 << self.bits) - 1
        elif not self.bits:
            value &= ~Config5.MI.mask
        self.root[register] = value


@pytest.mark.parametrize("bits, used", [(8, 8), (10, 10), (16, 16), (20, 16), (32, 16), (0, 0)])
def test_the_width_of_an_mmid_is_what_the_register_keeps_up_to_16_bits(bits: int, used: int) -> None:
    """HM-7; the other bits of Config5 are left alone."""
    cores = [Core(bits), Core(bits)]
    assert probe_mmids(cores, wanted=True, word=8) == used  # type: ignore[arg-type]
    for core in cores:
        assert core.root[Config5] == Config5.GI.at(3) | (Config5.MI.mask if bits else 0)
        assert not bits or core.root[MemoryMapID] == 0


@pytest.mark.parametrize("wanted, word, release", [(False, 8, RELEASE_6), (True, 4, RELEASE_6), (True, 8, RELEASE_2)],
                         ids=["not wanted", "longs of 32 bits", "before release 6"])
def test_mmids_need_release_6_atomic_words_of_64_bits_and_a_wish(wanted: bool, word: int, release: int) -> None:
    """HM-6, HM-7: where they are not used, Config5.MI is off, whatever the reset left."""
    core = Core(16, release)
    core.root[Config5] |= Config5.MI.mask if release == RELEASE_6 else 0
    assert probe_mmids([core], wanted=wanted, word=word) == 0  # type: ignore[list-item]
    assert not core.root[Config5] & Config5.MI.mask


def test_asids_count_on_where_a_cpu_was_and_begin_with_the_first_version() -> None:
    """HM-5, HM-52: what other CPUs' spaces remember of a CPU that was away must not be given again."""
    kernel = Kernel(Machine(MODELS["P5600"], 2, 4 << 20, engine="reference"), page_shift=12)
    contexts = AsidContexts(kernel.mmus)
    contexts.cache[0].store(0)
    contexts.cache[1].store(0x234)
    flushes = [tlb.flushes for tlb in kernel.tlbs]
    for cpu in range(2):
        drain(contexts.starting(cpu))
    assert [cell.load() for cell in contexts.cache] == [0x100, 0x234]
    assert [tlb.flushes for tlb in kernel.tlbs] == [count + 1 for count in flushes]


@pytest.mark.parametrize("model, part", [("24Kf", 2), ("P5600", 8), ("I6500", 8)])
def test_a_range_is_long_from_half_a_tlb_or_an_eighth_of_one_with_an_ftlb(model: str, part: int) -> None:
    """HM-48: in pairs of pages, as far as the range meets them."""
    tlb = Kernel(Machine(MODELS[model], 1, 4 << 20, engine="reference"), page_shift=12).tlbs[0]
    pairs = len(tlb.cpu.tlb) // part
    start = 0x40_1000                                       # the second page of a pair
    assert not tlb.is_long(start, start + pairs * 0x2000 - 0x1000)
    assert tlb.is_long(start, start + pairs * 0x2000)
