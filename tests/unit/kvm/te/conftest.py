"""Fixtures of the trap-and-emulate tests."""
from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.kvm.te.te_rig import Rig
from vmm.kvm.quirks import Quirks


@pytest.fixture
def make() -> Callable[..., Rig]:
    """A rig; keyword arguments are quirks, and ``page_shift`` and ``word`` of the host."""
    def build(page_shift: int = 14, word: int = 4, **quirks: bool) -> Rig:
        return Rig(Quirks(**quirks), page_shift, word)
    return build


@pytest.fixture
def rig() -> Rig:
    return Rig(Quirks())
