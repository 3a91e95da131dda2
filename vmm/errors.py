"""The errors that are not ours.  (An ``AssertionError`` or any other traceback is a defect of ours.)"""
from __future__ import annotations


class ConfigError(Exception):
    """The user's mistake: one line that says what was asked, what was found and what to do."""
