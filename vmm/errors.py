"""The two families of errors that are not ours.  (An ``AssertionError`` or any other traceback is a defect of ours.)"""
from __future__ import annotations


class ConfigError(Exception):
    """The user's mistake: one line that says what was asked, what was found and what to do."""


class GuestFault(Exception):
    """The guest did something after which it cannot go on; its state is kept and the text says why."""
