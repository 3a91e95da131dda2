"""Host pages, page tables and the R4K PTE layout.  Rows MM-2, MM-3, MM-16, section 12."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plain_ram import PlainRam
from vmm.arch.models import MODELS
from vmm.errors import ConfigError
from vmm.host.kernel.kernel import Kernel
from vmm.host.kernel.memory import PageAllocator, kernel_address, physical_address
from vmm.host.kernel.pagetable import (
    ENTRYLO_SHIFT,
    RIXI_ROTATE,
    RIXI_SHIFT,
    Geometry,
    InvalidTables,
    PageTable,
    Pte,
    mkclean,
    mkdirty,
    mkold,
    mkyoung,
    pfn_of,
    wrprotect,
)
from vmm.host.machine import Machine

SIZE = 8 << 20


def table(page_shift: int, word: int) -> tuple[PageAllocator, PageTable]:
    pages = PageAllocator(PlainRam(SIZE), SIZE, page_shift, 0x1000)
    geometry = Geometry(page_shift, word)
    return pages, PageTable(pages, geometry, InvalidTables(pages, geometry))


GEOMETRIES = [(12, 4), (14, 4), (12, 8), (14, 8)]


def test_freed_pages_come_back_lowest_first_and_zeroed() -> None:
    pages = PageAllocator(PlainRam(SIZE), SIZE, 12)
    a, b, _ = pages.alloc(), pages.alloc(), pages.alloc()
    pages.ram.store(a, 4, 7)
    pages.free(b)
    pages.free(a)
    assert (pages.alloc(), pages.ram.load(a, 4), pages.alloc()) == (a, 0, b)


def test_a_page_cannot_be_freed_twice() -> None:
    pages = PageAllocator(PlainRam(SIZE), SIZE, 12)
    page = pages.alloc()
    pages.free(page)
    with pytest.raises(ValueError, match="not in use"):
        pages.free(page)


def test_guest_memory_comes_from_the_top_until_it_meets_the_kernels() -> None:
    pages = PageAllocator(PlainRam(SIZE), SIZE, 14)
    assert pages.alloc_block(4 << 20) == 4 << 20
    with pytest.raises(ConfigError, match="left in the host"):
        pages.alloc_block(5 << 20)
    with pytest.raises(ConfigError, match="page size"):
        PageAllocator(PlainRam(SIZE), SIZE, 13)


@pytest.mark.parametrize("pa", [0, 0x1234000, 0x1FFFF000, 0x20000000, 0x123456000])
def test_kernel_addresses_go_both_ways(pa: int) -> None:
    assert physical_address(kernel_address(pa)) == pa


def test_a_32_bit_kernel_address_is_understood_and_others_are_refused() -> None:
    assert physical_address(0x80001000) == 0x1000
    with pytest.raises(ValueError, match="no unmapped kernel address"):
        physical_address(0x1000)


@pytest.mark.parametrize(("shift", "word"), GEOMETRIES)
def test_nothing_is_mapped_until_it_is_put(shift: int, word: int) -> None:
    _, tree = table(shift, word)
    assert tree.get(0x1234000) == 0
    assert tree.slot(0x1234000) is None


@pytest.mark.parametrize(("shift", "word"), GEOMETRIES)
def test_clear_frees_tables_and_leaves_the_rest(shift: int, word: int) -> None:
    """MM-3."""
    pages, tree = table(shift, word)
    before = pages.in_use
    far = 1 << tree.geometry.coverage - 1
    tree.put(0, Pte.PRESENT | 0x10000)
    tree.put(far, Pte.PRESENT | 0x20000)
    assert tree.clear(far, 1 << tree.geometry.coverage)
    assert (tree.get(0), tree.get(far)) == (Pte.PRESENT | 0x10000, 0)
    assert tree.clear(0, 1 << tree.geometry.coverage)
    assert not tree.clear(0, 1 << tree.geometry.coverage)
    assert pages.in_use == before


@settings(max_examples=40)
@given(geometry=st.sampled_from(GEOMETRIES), data=st.data())
def test_a_page_table_is_a_dictionary_by_page(geometry: tuple[int, int], data: st.DataObject) -> None:
    shift, word = geometry
    _, tree = table(shift, word)
    top = 1 << tree.geometry.coverage
    places = [0, 1 << shift, 1 << tree.geometry.shifts[0], top - (1 << shift), top // 2]
    model: dict[int, int] = {}
    for _ in range(data.draw(st.integers(1, 12))):
        va = data.draw(st.sampled_from(places))
        if data.draw(st.booleans()):
            pte = Pte.PRESENT | data.draw(st.integers(1, 100)) << 16
            tree.put(va, int(pte))
            model[va] = int(pte)
        else:
            end = va + (data.draw(st.integers(1, 3)) << shift)
            assert tree.clear(va, end) == any(va <= page < end for page in model)
            model = {page: pte for page, pte in model.items() if not va <= page < end}
        assert dict(tree.present(0, top)) == model


def test_a_pair_is_what_one_tlb_entry_maps() -> None:
    """MM-16."""
    _, tree = table(14, 4)
    for page in (0x8000, 0xC000, 0x10000):
        tree.put(page, Pte.PRESENT)
    tree.clear_pair(0xC123)
    assert [va for va, _ in tree.present(0, 1 << 32)] == [0x10000]


def test_an_address_beyond_the_tree_has_no_place() -> None:
    _, tree = table(14, 8)
    assert tree.get(1 << 60) == 0
    with pytest.raises(ValueError, match="no place"):
        tree.put(1 << 60, 1)


def test_a_pte_becomes_an_entrylo_by_shift_and_rotation() -> None:
    """G V D C and the PFN fall into place, RI and XI at the top."""
    pte = 0x0123_4000 | Pte.GLOBAL | Pte.VALID | Pte.CACHED | Pte.NO_READ | Pte.PRESENT | Pte.WRITE
    shifted = pte >> RIXI_SHIFT
    rotated = shifted >> RIXI_ROTATE | (shifted & 3) << 30
    entry_lo = 0x1234 << 6 << 0 | 3 << 3 | 1 << 1 | 1
    assert rotated == entry_lo & 0x3FFFFFFF | 1 << 31
    assert pte >> ENTRYLO_SHIFT == entry_lo


@pytest.mark.parametrize("change", [mkclean, mkold, wrprotect, mkyoung, mkdirty])
def test_changing_flags_keeps_the_page(change: object) -> None:
    pte = 0x7FFF_F000 | Pte.PRESENT | Pte.READABLE | Pte.WRITEABLE
    assert callable(change)
    assert pfn_of(change(pte)) == 0x7FFF_F000


def test_what_each_flag_change_means() -> None:
    full = int(Pte.PRESENT | Pte.READABLE | Pte.WRITEABLE)
    assert mkclean(full) == full & ~int(Pte.MODIFIED | Pte.DIRTY)
    assert mkold(full) == full & ~int(Pte.ACCESSED | Pte.VALID)
    assert wrprotect(full) == full & ~int(Pte.WRITE | Pte.DIRTY)
    assert mkyoung(mkold(full)) == full
    assert mkdirty(mkclean(full)) == full
    assert mkdirty(int(Pte.PRESENT)) == Pte.PRESENT | Pte.MODIFIED


def test_small_memory_is_zeroed_aligned_to_16_bytes_and_nobody_elses() -> None:
    """As the world switch's structures want it; what does not fit into the page's rest begins in the next."""
    kernel = Kernel(Machine(MODELS["24Kf"], 1, 2 << 20, engine="reference"), page_shift=12)
    taken: set[int] = set()
    for size in (1, 24, 16, 40, 1000, 3000, 8, 4096, 5000, 17):
        at = kernel.alloc_small(size)
        assert at % 16 == 0
        assert kernel.ram.read(at, size) == bytes(size)
        kernel.ram.write(at, b"\xff" * size)
        assert taken.isdisjoint(range(at, at + size))
        taken.update(range(at, at + size))
