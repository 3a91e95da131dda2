"""The pytest plugin: the fixture ``guest``, and a failed test's console in its report."""
from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:                                      # pytest loads plugins at every start
    from vmm.testing.guest import Guest

_GUESTS: pytest.StashKey[list[Guest]] = pytest.StashKey()


@pytest.fixture
def guest(request: pytest.FixtureRequest) -> Callable[..., Guest]:
    """``guest("kernel.elf", mode="te", cpu="24Kf")`` makes a ``vmm.testing.Guest``."""
    from vmm.testing.guest import Guest

    made: list[Guest] = []
    request.node.stash[_GUESTS] = made

    def make(*arguments: Any, **options: Any) -> Guest:
        made.append(Guest(*arguments, **options))
        return made[-1]

    return make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.failed:
        made = item.stash[_GUESTS] if _GUESTS in item.stash else []
        for number, one in enumerate(made):
            report.sections.append((f"console of guest {number}, tick {one.ticks:,}", one.text))
            report.sections.append((f"exits of guest {number}", str(one.exits)))
    return report
