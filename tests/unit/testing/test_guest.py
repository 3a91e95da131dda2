"""The tests' own guests: waiting, endings, and what a failure says."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from vmm.guest.bundled import build
from vmm.guest.image import parse_image
from vmm.testing import Guest, Silent

Make = Callable[..., Guest]


@pytest.fixture
def bundled(guest: Make) -> Guest:
    return guest(parse_image("bundled", build("bare")), mode="bare", cpu="24Kf", arguments="words for it")


def test_words_are_found_in_order_and_the_end_has_a_status(bundled: Guest) -> None:
    assert bundled.expect(r"arguments: (.*)")[1] == "words for it"
    bundled.expect(r"hello from user mode")
    assert bundled.finish().status == 0
    assert bundled.text.count("hello from user mode") == 1


def test_what_was_matched_is_not_matched_again(bundled: Guest) -> None:
    bundled.expect(r"ok ebase")
    with pytest.raises(Silent, match="ended"):
        bundled.expect(r"ok ebase")


def test_a_silent_guest_fails_at_its_deadline_with_its_last_words(bundled: Guest) -> None:
    with pytest.raises(Silent, match=r"(?s)ran 5,000 ticks.*vmm guest kernel"):
        bundled.expect("never", within=5_000)
    assert bundled.ticks == 5_000


def test_two_runs_are_one_run(guest: Make) -> None:
    image = parse_image("bundled", build("vz"))
    first, second = guest(image), guest(image)
    for one in (first, second):
        one.finish()
    assert (first.text, first.ticks, first.exits) == (second.text, second.ticks, second.exits)
