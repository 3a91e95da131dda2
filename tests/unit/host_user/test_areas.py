"""Areas against a dictionary from page to what it is; structures that kernel and programs share."""
from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.host.user.abi import N64, O32, Abi
from vmm.host.user.areas import Area, Areas
from vmm.host.user.numbers import Prot
from vmm.host.user.signals import Action, Frame, action_bytes, action_of, mask_bytes, mask_of

PAGE, PAGES = 0x1000, 24
SPAN = st.tuples(st.integers(0, PAGES - 1), st.integers(1, 8), st.sampled_from([None, Prot.NONE, Prot.READ, Prot.WRITE]))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(SPAN, max_size=25), st.integers(1, 6))
def test_areas_are_a_dictionary_by_page(steps: list[tuple[int, int, Prot | None]], wanted: int) -> None:
    areas, plain = Areas(), dict[int, Prot]()
    for first, count, prot in steps:
        start, end = first * PAGE, (first + count) * PAGE
        if prot is None:
            areas.remove(start, end)
        else:
            areas.put(Area(start, end, prot))
        for page in range(first, first + count):
            if prot is None:
                plain.pop(page, None)
            else:
                plain[page] = prot
    found = [areas.find(page * PAGE + 5) for page in range(PAGES + 10)]
    assert [area.prot if area else None for area in found] == [plain.get(page) for page in range(PAGES + 10)]
    assert all(one.end <= other.start for one, other in pairwise(areas))
    for first, count, _ in steps:
        covered = all(page in plain for page in range(first, first + count))
        assert areas.covers(first * PAGE, (first + count) * PAGE) is covered
    free = [at for at in range(PAGES - wanted + 1) if not any(page in plain for page in range(at, at + wanted))]
    gap = areas.gap(wanted * PAGE, PAGES * PAGE, 0)
    assert gap == (free[-1] * PAGE if free else None)


def test_structures_have_the_sizes_that_programs_know() -> None:
    """Offsets of uc_mcontext, size of struct sigcontext."""
    assert (Frame(O32, False).context, Frame(O32, False).sigcontext - Frame(O32, False).context) == (152, 24)
    assert Frame(N64, False).sigcontext - Frame(N64, False).context == 40
    assert (O32.sigcontext.size, N64.sigcontext.size) == (592, 600)


@settings(deadline=None, derandomize=True)
@given(st.integers(0, (1 << 127) - 1), st.booleans(), st.sampled_from([O32, N64]))
def test_sets_of_signals_and_actions_survive_the_way_through_memory(mask: int, big_endian: bool, abi: Abi) -> None:
    assert mask_of(mask_bytes(mask, abi, big_endian), abi, big_endian) == mask
    action = Action(0x40_0000, 0x1000_0008, mask)
    assert action_of(action_bytes(action, abi, big_endian), abi, big_endian) == action
