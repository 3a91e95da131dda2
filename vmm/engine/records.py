"""Records of decoded code and the entries of the soft TLB: where each part lies, for handlers and for the runtime.

A *record* is 16 bytes: handler, four register fields, the instruction word.  The records of a page of code are a *block*
of 2048: the first 1024 for each word as an ordinary instruction (*main*), the others for each word as a delay slot
(*slot*).  Record 1024 stands behind the last word of the page, and is the slot that no branch of the page has.
"""
from __future__ import annotations

RECORD = 16
RECORD_SHIFT = 4
BLOCK = 2048 * RECORD
SLOT_DISTANCE = 1024 * RECORD
FIELDS_AT, WORD_AT = 8, 12
"""Where a record has its four register fields and its instruction word."""
BYTE_OF = {21: 0, 16: 1, 11: 2, 6: 3}
"""Which byte holds the five bits of the instruction word that begin at this bit."""
HORIZON = 1026
"""Code runs freely while ``b`` is at least this: enough to run to the end of the page and one slot beyond."""
DATA_ENTRIES = 2048
DATA_ENTRY = 32
FETCH_ENTRIES = 256
FETCH_ENTRY = 16
FETCH_AT = DATA_ENTRIES * DATA_ENTRY
VIEW = FETCH_AT + FETCH_ENTRIES * FETCH_ENTRY
VIEWS = 16
TAG_LOAD, TAG_STORE, ADDEND = 0, 8, 16
CODE_FLAG = 0x800
"""In a store tag: the page has decoded code, so no address matches."""

CONTROL, COMPACT, FORBIDS, ALONE, SYSTEM = 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12
"""The kind of a row in the row table (``Insn``); below these bits the width of a branch's ``off`` field, else 0."""

ARGUMENTS = "ptr %st, ptr %rec, i64 %b, ptr %tgt, ptr %view"
PASS = "ptr %st, ptr %rec, i64 %b, ptr %tgt, ptr %view"
MAIN, SLOT = "main", "slot"
