"""The native engine as an object: the compiled library with the memory that one machine's CPUs share."""
from __future__ import annotations

import ctypes
from typing import Protocol

from vmm.arch.encoding import example
from vmm.arch.fp import Guard
from vmm.arch.insns import ROWS
from vmm.arch.models import CpuModel
from vmm.arch.privileged.service import SERVICES
from vmm.arch.rows import RELEASE_6, Insn, available, decode, decode_tree
from vmm.arch.stops import Stop
from vmm.engine.compile import Library, load_library
from vmm.engine.hostfp import host_has_flags
from vmm.engine.native import FIXED
from vmm.engine.records import ALONE, BLOCK, RECORD, SLOT_DISTANCE, VIEW, VIEWS
from vmm.engine.reference import ReferenceEngine
from vmm.engine.runtime import SHARED, SHARED_SLOTS
from vmm.engine.store import PAGE, Block, Links, Memory, State
from vmm.errors import ConfigError

POOL_BLOCKS = 1536
"""Pages of code that are kept decoded, 32 KiB each; one more and all are dropped."""
MAX_CPUS = 64
LINE_WORDS, SLOT_OF_LINE, KIND_OF_LINE = 4, 2, 3
AT = {name: n for n, name in enumerate(SHARED)}


STOPS = tuple(Stop)
"""By number."""


class Engine(Protocol):
    def attach(self, state: State) -> None:
        """Make a CPU's state ready to be run."""

    def run(self, state: State) -> Stop:
        """Run until ``state.until`` or a reason to stop."""

    def service(self, state: State, name: str, *words: int) -> int:
        """One of ``vmm.arch.privileged.service``."""

    def code_changed(self, offset: int, size: int) -> None:
        """Memory was written, from outside the CPUs."""

    def forget_translations(self, state: State) -> None:
        """Forget what a CPU knows of translations."""

    def forget(self) -> None:
        """Forget all translations and decoded code of all CPUs."""


class NativeEngine:
    def __init__(self, model: CpuModel, big_endian: bool, memory: Memory) -> None:
        self._library: Library = load_library(big_endian)
        self._memory = memory
        self._states: list[State] = []
        self._links = Links()
        self._views: list[Block] = []
        self._records = Block(4 * BLOCK, align=BLOCK)          # arrive, end of a stepped slot, scratch and its overhang
        self._pool = Block(POOL_BLOCKS * BLOCK, align=BLOCK)
        pages = memory.block.size // PAGE
        self._block_of_page, self._page_of_block = Block(8 * pages), Block(8 * POOL_BLOCKS)
        self._template = Block(BLOCK)
        fixed = (ctypes.c_uint64 * len(FIXED)).from_address(self._library.address["fixed_handlers"])
        self._handler = dict(zip(FIXED, fixed, strict=True))
        self._rows = self._row_table(model)
        self._shared = Block(8 * SHARED_SLOTS)
        self._fill_template()
        self._fill_shared("row_from_6" if model.release >= RELEASE_6 else "row_before_6")
        call = self._library.function
        self._run = call("run", ctypes.c_void_p)
        self._forget_all = call("forget_all", ctypes.c_void_p, result=None)
        self._drop_blocks = call("drop_blocks", ctypes.c_void_p, result=None)
        self._services = {name: call(f"service_{name}", ctypes.c_void_p, *[ctypes.c_uint64] * count,
                                     result=ctypes.c_uint64) for name, (_, count) in SERVICES.items()}
        self._code_changed = call("code_changed", ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, result=None)

    def _row_table(self, model: CpuModel) -> Block:
        """The line for each row: its own if this core has it, else that of the wider row its words then belong to.

        Line 0 is Reserved Instruction.
        """
        own = available(ROWS, release=model.release, bits=model.bits, ases=model.ases)
        number, tree = {id(row): n for n, row in enumerate(ROWS)}, decode_tree(own)
        has, count = {id(row) for row in own}, (len(ROWS) + 1) * LINE_WORDS
        lines = (ctypes.c_uint64 * count).from_address(self._library.address["row_lines"])
        reserved, table = lines[:LINE_WORDS], Block(8 * count)
        table.words[:LINE_WORDS] = memoryview(lines).cast("B").cast("Q")[:LINE_WORDS]

        def line_of(row: Insn | None) -> list[int]:
            at = (number[id(row)] + 1) * LINE_WORDS if row else 0
            return lines[at:at + LINE_WORDS]

        for n, row in enumerate(ROWS):
            meant = row if id(row) in has else decode(tree, example(row.encoding))
            line = line_of(meant)
            if meant is not None and meant.is_alone(model.release):
                line[SLOT_OF_LINE] = reserved[SLOT_OF_LINE]
                line[KIND_OF_LINE] |= ALONE
            for k in range(LINE_WORDS):
                table.words[(n + 1) * LINE_WORDS + k] = line[k]
        return table

    def _fill_template(self) -> None:
        per_record = RECORD // 8
        first_slot = SLOT_DISTANCE // RECORD
        for n in range(BLOCK // RECORD):
            name = "undecoded_main" if n < first_slot else "page_end" if n == first_slot else "undecoded_slot"
            self._template.words[n * per_record] = self._handler[name]

    def _fill_shared(self, decoder: str) -> None:
        memory = self._memory.block
        values = {"pool": self._pool.address, "pool_used": 0, "pool_blocks": POOL_BLOCKS, "memory": memory.address,
                  "memory_end": memory.address + memory.size, "block_of_page": self._block_of_page.address,
                  "page_of_block": self._page_of_block.address, "template": self._template.address,
                  "rows": self._rows.address, "decoder": self._handler[decoder], "cpu_count": 0}
        for name, value in values.items():
            self._shared.words[AT[name]] = value

    def attach(self, state: State) -> None:
        if len(self._states) == MAX_CPUS:
            raise ConfigError(f"more than {MAX_CPUS} CPUs on one machine")
        views = Block(VIEWS * VIEW)
        self._views.append(views)
        self._states.append(state)
        arrive, stop_target, scratch = (self._records.address + n * BLOCK for n in range(3))
        self._records.words[0] = self._handler["arrive"]
        self._records.words[RECORD // 8] = self._handler["step_jump"]
        self._records.words[BLOCK // 8] = self._handler["step_slot"]
        state.arrive, state.stop_target, state.scratch = arrive, stop_target, scratch
        state.fp_slow = 0 if host_has_flags() else Guard.CAREFUL
        state.stop_jump = arrive + RECORD
        state.shared, state.views = self._shared.address, views.address
        self._shared.words[AT["cpus"] + len(self._states) - 1] = state.address
        self._shared.words[AT["cpu_count"]] = len(self._states)

    def run(self, state: State) -> Stop:
        if self._links.holder is not state:
            self._links.pass_to(state, self._states)
        return STOPS[self._run(state.address)]

    def service(self, state: State, name: str, *words: int) -> int:
        state.stop = 0                                 # it would end the service as it ended the instruction
        return self._services[name](state.address, *words)

    def code_changed(self, offset: int, size: int) -> None:
        """Page by page, as a block is one page's."""
        page = offset // PAGE
        if page == (offset + size - 1) // PAGE and not self._block_of_page.words[page]:
            return
        state, end = self._states[0], offset + size
        while offset < end:
            here = min(end - offset, PAGE - offset % PAGE)
            if self._block_of_page.words[offset // PAGE]:
                self._code_changed(state.address, self._memory.block.address + offset, here)
            offset += here

    def forget_translations(self, state: State) -> None:
        self._forget_all(state.address)

    def forget(self) -> None:
        self._drop_blocks(self._shared.address)


ENGINES: dict[str, type[NativeEngine] | type[ReferenceEngine]] = {
    "native": NativeEngine,
    "reference": ReferenceEngine,
}


def make_engine(name: str, model: CpuModel, big_endian: bool, memory: Memory) -> Engine:
    if name not in ENGINES:
        raise ConfigError(f"--engine {name}: there is no such engine; use one of {', '.join(ENGINES)}")
    return ENGINES[name](model, big_endian, memory)
