"""Cores by release, as rows of ``vmm.arch.models``."""
