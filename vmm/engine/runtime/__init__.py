"""What the handlers stand on, as LLVM text: soft TLB, decoded blocks, single steps, and the loop of ``run``.

The text is in the ``.ll`` files beside this one, ``FRAGMENTS`` in this order; ``«KEY»`` in them is a constant.

The *shared* struct belongs to all CPUs of a machine: the pool of blocks, which page of memory has which block, and the
table from rows to handlers.  A *view* is a soft TLB for one address space and privilege: 2048 entries for data (load tag,
store tag, addend to the host address) and 256 for code (tag, block); an entry of all ones matches nothing.
"""
from __future__ import annotations

from pathlib import Path

from vmm.arch.exceptions import ExcCode
from vmm.arch.state import OFFSET, OWNED_CAPACITY, SKIP_BREAKS
from vmm.arch.stops import Stop
from vmm.engine.hostfp import declarations
from vmm.engine.records import (
    ADDEND,
    ALONE,
    ARGUMENTS,
    BLOCK,
    CODE_FLAG,
    COMPACT,
    DATA_ENTRIES,
    FETCH_AT,
    FETCH_ENTRIES,
    FORBIDS,
    HORIZON,
    PASS,
    SLOT_DISTANCE,
    SYSTEM,
    TAG_STORE,
    VIEW,
    VIEWS,
)

FOLDER = Path(__file__).parent
FRAGMENTS = ("declarations", "soft_tlb", "blocks", "decode", "where", "transfers", "steps", "run")
MANY_PAGES = 0xF_FFFF
"""The mask of a TLB entry for which forgetting whole views is cheaper than page by page."""
SHARED = ("pool", "pool_used", "pool_blocks", "memory", "memory_end", "block_of_page", "page_of_block", "template",
          "rows", "decoder", "cpu_count", "cpus")
"""The shared struct: 64-bit slots, ``cpus`` the first of 64."""
SHARED_SLOTS = len(SHARED) + 63


def runtime(big_endian: bool, names: dict[str, str]) -> str:
    """The text; ``names`` gives the LLVM names of the compiled functions look_around, deliver and fetch."""
    before, *others = ("\n" + (FOLDER / f"{name}.ll").read_text("utf-8") for name in FRAGMENTS)
    text = "\n".join([before, declarations(), _memory(big_endian), *others])
    for key, value in _constants(names, big_endian).items():
        text = text.replace(f"«{key}»", value)
    assert "«" not in text, text[text.index("«"):][:80]
    return text


def _constants(names: dict[str, str], big_endian: bool) -> dict[str, str]:
    """What stands for ``«KEY»`` in the fragments."""
    constants = {f"st.{name}": str(8 * at) for name, at in OFFSET.items()}
    constants |= {f"sh.{name}": str(8 * n) for n, name in enumerate(SHARED)}
    constants |= {f"stop.{stop.name}": str(int(stop)) for stop in Stop}
    constants |= {"COMPACT": str(COMPACT), "FORBIDS": str(FORBIDS), "ALONE": str(ALONE), "SYSTEM": str(SYSTEM),
                  "SKIP_BREAKS": str(SKIP_BREAKS), "RI": str(int(ExcCode.RI) + 1)}
    constants |= {f"fn.{key}": value for key, value in names.items()}
    constants |= {
        "ARGS": ARGUMENTS, "PASS": PASS, "BLOCK": str(BLOCK), "SLOT": str(SLOT_DISTANCE), "HORIZON": str(HORIZON),
        "VIEW": str(VIEW), "VIEWS": str(VIEWS), "FETCH_AT": str(FETCH_AT), "FETCH_MASK": str(FETCH_ENTRIES - 1),
        "DATA_MASK": str(DATA_ENTRIES - 1), "TAG_STORE": str(TAG_STORE), "ADDEND": str(ADDEND),
        "MANY_PAGES": str(MANY_PAGES), "OWNED": str(OWNED_CAPACITY), "OWNED_BYTES": str(8 * OWNED_CAPACITY),
        "ROOT_TLB": str(OFFSET["root_tlb"]),
        "CODE_FLAG": str(CODE_FLAG), "BLOCK_MASK": str(BLOCK - 1),
        "SWAP": "call i32 @llvm.bswap.i32(i32 %raw)" if big_endian else "add i32 %raw, 0",
    }
    return constants


def _memory(big_endian: bool) -> str:
    """peek and poke: host memory in the machine's byte order, sizes 1, 2, 4, 8."""
    def swap(bits: int, value: str) -> tuple[str, str]:
        if not big_endian or bits == 8:
            return "", value
        return f"  %s{bits} = call i{bits} @llvm.bswap.i{bits}(i{bits} {value})\n", f"%s{bits}"

    loads, stores = [], []
    for size in (1, 2, 4, 8):
        bits = size * 8
        code, value = swap(bits, f"%l{bits}")
        wide = f"  %z{bits} = zext i{bits} {value} to i64\n  ret i64 %z{bits}\n" if bits < 64 else f"  ret i64 {value}\n"
        loads.append(f"b{size}:\n  %l{bits} = load i{bits}, ptr %p, align 1\n{code}{wide}")
        cut = f"  %t{bits} = trunc i64 %v to i{bits}\n" if bits < 64 else ""
        code, value = swap(bits, f"%t{bits}" if bits < 64 else "%v")
        stores.append(f"b{size}:\n{cut}{code}  store i{bits} {value}, ptr %p, align 1\n  ret void\n")
    cases = "switch i64 %size, label %b8 [i64 1, label %b1 i64 2, label %b2 i64 4, label %b4]"
    head = f"nounwind {{\n  %p = inttoptr i64 %host to ptr\n  {cases}\n"
    return (f"define internal i64 @peek(i64 %host, i64 %size) {head}{''.join(loads)}}}\n"
            f"define internal void @poke(i64 %host, i64 %size, i64 %v) {head}{''.join(stores)}}}\n")
