"""Guests in tests: ``Guest``, and the pytest plugin that makes them (fixture ``guest``)."""
from vmm.testing.guest import Guest, Silent

__all__ = ["Guest", "Silent"]
