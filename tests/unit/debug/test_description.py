"""target.xml is well formed, complete, and numbered as GDB demands (gdb.md, section 4)."""
from __future__ import annotations

from xml.etree import ElementTree

import pytest

from vmm.arch.cp0.registers import Cause, EntryHi, GuestCtl0, Status
from vmm.arch.models import MODELS
from vmm.debug.description import target_xml
from vmm.debug.layout import Kind, layout
from vmm.kvm.te.registers import MASKS

PRESENT = {**{f"{name} root": model.root for name, model in MODELS.items()},
           **{f"{name} guest": model.guest for name, model in MODELS.items() if model.guest}, "te guest": MASKS}


@pytest.fixture(params=PRESENT)
def rows(request: pytest.FixtureRequest) -> tuple:
    return layout(PRESENT[request.param], msa="P5600" in request.param)


def xml(rows: tuple) -> ElementTree.Element:
    return ElementTree.fromstring(target_xml(rows, wide=True))


def test_numbers_and_names_are_unique(rows: tuple) -> None:
    assert len({row.number for row in rows}) == len(rows)
    assert len({row.name for row in rows}) == len(rows)


def test_gdbs_own_features_are_complete(rows: tuple) -> None:
    names = {feature.get("name"): {reg.get("name") for reg in feature.iter("reg")} for feature in xml(rows).iter("feature")}
    assert names["org.gnu.gdb.mips.cpu"] == {*(f"r{n}" for n in range(32)), "lo", "hi", "pc"}
    assert names["org.gnu.gdb.mips.cp0"] == {"status", "badvaddr", "cause"}
    assert names["org.gnu.gdb.mips.fpu"] == {*(f"f{n}" for n in range(32)), "fcsr", "fir"}


def test_fixed_numbers(rows: tuple) -> None:
    number = {row.name: row.number for row in rows}
    fixed = {"r0": 0, "r31": 31, "status": 32, "lo": 33, "hi": 34, "badvaddr": 35, "cause": 36, "pc": 37, "f0": 38,
             "fcsr": 70, "fir": 71}
    assert {name: number[name] for name in fixed} == fixed


def test_what_gdb_shows_as_32_bit_numbers_is_that(rows: tuple) -> None:
    types = {int(reg.get("regnum", "")): reg.get("type") for reg in xml(rows).iter("reg")}
    assert {types[n] for n in range(74, 90) if n in types} <= {"uint32"}


def test_general_registers_have_64_bits_on_every_core(rows: tuple) -> None:
    assert {row.size for row in rows if row.kind in (Kind.GPR, Kind.HI, Kind.LO, Kind.PC)} == {8}


def test_every_type_is_declared(rows: tuple) -> None:
    tree = xml(rows)
    declared = {node.get("id") for kind in ("flags", "struct", "enum") for node in tree.iter(kind)}
    used = {node.get("type") for kind in ("reg", "field") for node in tree.iter(kind) if node.get("type")}
    assert used - declared <= {"uint32", "uint64", "uint128", "ieee_double"}


def test_the_abi_is_none() -> None:
    assert xml(layout({Status: 0, Cause: 0})).findtext("osabi") == "none"


def test_fields_come_from_the_register_classes() -> None:
    tree = xml(layout({Status: 0, Cause: 0, EntryHi: 0, GuestCtl0: 0}))
    status = next(node for node in tree.iter("flags") if node.get("id") == "status_fields")
    assert {(f.get("name"), f.get("start"), f.get("end")) for f in status} == {
        (f.name, str(f.low), str(f.high)) for f in Status.fields}
    codes = next(node for node in tree.iter("enum") if node.get("id") == "guestctl0_GExcCode")
    assert ("HC", "2") in {(value.get("name"), value.get("value")) for value in codes}
    assert any(node.get("id") == "entryhi_fields" for node in tree.iter("struct"))
