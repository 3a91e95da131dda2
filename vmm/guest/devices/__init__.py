"""Devices: no bus, no clock, no thread.  What one needs comes in by ``__init__``; its ``State`` is saved."""
