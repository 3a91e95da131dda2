from __future__ import annotations

import pytest

from .client import Client
from .machine import Machine


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def client(machine: Machine) -> Client:
    return Client(machine)
