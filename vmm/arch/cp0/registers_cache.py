"""Windows to the cache arrays, filled and written by CACHE.  (Volume III, chapter 9)

Invariant: even selects are tags, odd ones data.
"""
from __future__ import annotations

from vmm.arch.cp0.fields import Register, rw


class TagLo(Register, number=(28, 0), bits64=True, context="R"):
    """Tag of an instruction cache line."""
    TagLo = rw(63, 0)


class DataLo(Register, number=(28, 1), bits64=True, context="R"):
    """Data of an instruction cache line."""
    DataLo = rw(63, 0)


class DTagLo(TagLo, number=(28, 2), bits64=True, context="R"):
    """Tag of a data cache line."""


class DDataLo(DataLo, number=(28, 3), bits64=True, context="R"):
    """Data of a data cache line."""


class L2TagLo(TagLo, number=(28, 4), bits64=True, context="R"):
    """Tag of a second-level cache line."""


class L2DataLo(DataLo, number=(28, 5), bits64=True, context="R"):
    """Data of a second-level cache line."""


class L3TagLo(TagLo, number=(28, 6), bits64=True, context="R"):
    """Tag of a third-level cache line."""


class L3DataLo(DataLo, number=(28, 7), bits64=True, context="R"):
    """Data of a third-level cache line."""


class TagHi(Register, number=(29, 0), context="R"):
    """Upper part of an instruction cache tag."""
    TagHi = rw(31, 0)


class DataHi(Register, number=(29, 1), context="R"):
    """Upper part of instruction cache data."""
    DataHi = rw(31, 0)


class DTagHi(TagHi, number=(29, 2), context="R"):
    """Upper part of a data cache tag."""


class DDataHi(DataHi, number=(29, 3), context="R"):
    """Upper part of data cache data."""


class L2TagHi(TagHi, number=(29, 4), context="R"):
    """Upper part of a second-level cache tag."""


class L2DataHi(DataHi, number=(29, 5), context="R"):
    """Upper part of second-level cache data."""


class L3TagHi(TagHi, number=(29, 6), context="R"):
    """Upper part of a third-level cache tag."""


class L3DataHi(DataHi, number=(29, 7), context="R"):
    """Upper part of third-level cache data."""
