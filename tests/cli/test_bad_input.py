"""Whatever is wrong with what the user gives: status 125, one line that teaches, nothing left behind."""
from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import refused, vmm
from tests.support.elf import Load, elf
from tests.support.uimage import uimage
from vmm.guest.bundled import build
from vmm.guest.elfwriter import executable
from vmm.guest.image import Segment

P_OFFSET = 4                                                # in an ELF32 program header
PROGRAM_HEADERS = 52


def changed(at: int, value: int, form: str = "<I") -> bytes:
    raw = bytearray(build("vz"))
    struct.pack_into(form, raw, at, value)
    return bytes(raw)


IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty":              (lambda: b"", "empty"),
    "text":               (lambda: b"#!/bin/sh\n", "not an ELF file"),
    "x86":                (lambda: changed(18, 62, "<H"), "EM_X86_64"),
    "object":             (lambda: changed(16, 1, "<H"), "not linked"),
    "short-header":       (lambda: build("vz")[:30], "truncated"),
    "short-table":        (lambda: build("vz")[:60], "truncated"),
    "short-segment":      (lambda: build("vz")[:0x2000], "truncated"),
    "no-segments":        (lambda: changed(44, 0, "<H"), "program headers"),
    "offset-outside":     (lambda: changed(PROGRAM_HEADERS + P_OFFSET, 0x7FFF_0000), "truncated"),
    "entry-outside":      (lambda: changed(24, 0x8800_0000), "entry"),
    "segment-outside":    (lambda: elf(Load(0x8010_0000), Load(0x9200_0000)), "needs physical"),
    "segment-user":       (lambda: elf(Load(0x0040_0000)), "relink"),
    "overlap":            (lambda: elf(Load(0x8010_0000), Load(0x8010_0008)), "overlap"),
    "same-memory":        (lambda: elf(Load(0x8010_0000), Load(0xA010_0008)), "same physical memory"),
    "micromips":          (lambda: changed(36, 0x7200_1001), "microMIPS"),
    "release6":           (lambda: changed(36, 0x9000_1001), "release 6"),
    "mips64":             (lambda: changed(36, 0x8000_0021), "64"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_bad_image(name: str, workplace: Path) -> None:
    make, expected = IMAGES[name]
    Path("image").write_bytes(make())
    extra = ["--cpu", "P5600"] if name in ("mips64", "release6") else []   # the usual core would run it
    line = refused(vmm("run", "image", "--mode", "vz", "--serial", "file:console", *extra))
    assert "image" in line and expected in line
    assert [path.name for path in workplace.iterdir()] == ["image"]


OPTIONS: dict[str, tuple[list[str], str]] = {
    "no-image":       (["missing.elf"], "no such file"),
    "a-folder":       (["."], "directory"),
    "a-device":       (["/dev/zero"], "a device or a socket"),
    "no-address":     (["--load-at", "low"], "not an address"),
    "nothing-to-load": (["--load-at", "0x80100000"], "no image to load"),
    "newline":        (["no\nsuch"], "no such file"),
    "no-memory":      (["-m", "0"], "-m 0"),
    "tiny":           (["-m", "1K"], "16M"),
    "huge":           (["-m", "3T"], "-m 3T"),
    "no-size":        (["-m", "lots"], "256M"),
    "minus":          (["-m=-5M"], "not a size"),
    "cpu":            (["--cpu", "Z80"], "P5600"),
    "machine":        (["--machine", "pc"], "malta"),
    "mode":           (["--mode", "kvm"], "'vz'"),
    "engine":         (["--engine", "warp"], "'native'"),
    "no-cpus":        (["-c", "0"], "above 0"),
    "lonely-cpus":    (["--mode", "bare", "-c", "2"], "I6400 or I6500"),
    "many-cpus":      (["--host-cpus", "1000"], "1 to 64"),
    "many-clusters":  (["--topology", "2x1x1", "--cpu", "I6400"], "there is one"),
    "no-topology":    (["--topology", "4"], "2x4x2"),
    "unknown":        (["--frobnicate"], "--frobnicate"),
    "abbreviated":    (["--time", "3"], "--time"),
    "no-value":       (["--cpu"], "expected one argument"),
    "serial":         (["--serial", "printer"], "stdio"),
    "serial-file":    (["--serial", "file:no/such/folder/f"], "No such file"),
    "serial-tcp":     (["--serial", "tcp:localhost:0"], "1 to 65535"),
    "gdb-port":       (["--gdb", "pony"], "[HOST:]PORT"),
    "gdb-range":      (["--gdb", "70000"], "65535"),
    "gdb-host":       (["--gdb", "203.0.113.1:1"], "cannot listen"),
    "gdb-twice":      (["-s", "--gdb", "0"], "one of them"),
    "hold-alone":     (["-S"], "--gdb"),
    "until":          (["--until", "("], "regular expression"),
    "insns":          (["--max-insns", "-1"], "--max-insns"),
    "timeout":        (["--timeout", "soon"], "seconds"),
    "no-disk":        (["--disk", "missing.img"], "No such file"),
    "no-disk-name":   (["--disk", ",readonly"], "names no file"),
    "disk-interface": (["--disk", "a.img,if=scsi"], "ide, virtio"),
    "no-initrd":      (["-i", "missing.gz"], "missing.gz"),
    "initrd-folder":  (["-i", "."], "-i .: is a directory"),
    "initrd-device":  (["-i", "/dev/zero"], "a device or a socket"),
    "no-dtb":         (["--dtb", "missing.dtb"], "--dtb missing.dtb: no such file"),
    "vz-without":     (["--mode", "vz", "--cpu", "24Kf"], "P5600"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_bad_option(name: str, workplace: Path) -> None:
    given, expected = OPTIONS[name]
    assert expected in refused(vmm("run", *given))
    assert not list(workplace.iterdir())


def test_an_empty_initrd(workplace: Path) -> None:
    Path("initrd").write_bytes(b"")
    assert "empty" in refused(vmm("run", "-i", "initrd"))


def test_an_initrd_that_does_not_fit(workplace: Path) -> None:
    Path("initrd").write_bytes(bytes(17 << 20))
    assert "-m 16M" in refused(vmm("run", "-i", "initrd", "-m", "16M"))


def test_a_kernel_that_does_not_fit(workplace: Path) -> None:
    Path("large").write_bytes(executable([Segment(0x8010_0000, bytes(64), 17 << 20)], entry=0x8010_0000))
    line = refused(vmm("run", "large", "-m", "16M"))
    assert "more memory with -m" in line and "RAM at 0x0-0xffffff" in line


def test_a_kernel_that_leaves_no_room_for_the_initrd(workplace: Path) -> None:
    Path("large").write_bytes(executable([Segment(0x8010_0000, bytes(64), 14 << 20)], entry=0x8010_0000))
    Path("initrd").write_bytes(bytes(2 << 20))
    assert "initrd of 2097152 bytes does not fit" in refused(vmm("run", "large", "-m", "16M", "-i", "initrd"))


@pytest.mark.parametrize(("damage", "expected"), [(lambda raw: raw[:-1], "truncated"),
                                                  (lambda raw: raw[:-1] + b"\xff", "checksum")])
def test_a_damaged_uimage(damage: Callable[[bytes], bytes], expected: str, workplace: Path) -> None:
    Path("image").write_bytes(damage(uimage(bytes(64))))
    assert expected in refused(vmm("run", "image"))


def test_what_is_no_device_tree(workplace: Path) -> None:
    Path("tree").write_bytes(b"/dts-v1/;")
    assert "--dtb tree: not a device tree blob" in refused(vmm("run", "--dtb", "tree"))


def test_trap_and_emulate_says_where_its_images_are_linked(kernel: Path) -> None:
    line = refused(vmm("run", str(kernel), "--mode", "te"))
    assert "0x40100000" in line and "--mode" in line


def test_a_64_bit_image_on_a_32_bit_core(workplace: Path) -> None:
    base = 0xFFFF_FFFF_8010_0000
    Path("wide").write_bytes(executable([Segment(base, bytes(64), 64)], entry=base, bits=64))
    for mode, model in (("vz", "P5600"), ("bare", "24Kf")):
        assert "64" in refused(vmm("run", "wide", "--mode", mode, "--cpu", model))


def test_a_busy_debugger_port(workplace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"{port}" in refused(vmm("run", "--gdb", str(port), "--serial", "file:console"))
    assert not list(workplace.iterdir())


@pytest.mark.parametrize("spec", ["tap", "user,fwd=22", "user,fwd=tcp:2222:99999"])
def test_no_such_network(spec: str) -> None:
    assert refused(vmm("run", "--net", spec)).startswith(f"--net {spec}: ")


def test_a_forwarded_port_that_is_taken_and_one_that_is_free_again(workplace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        network = "--net", f"user,fwd=tcp:{taken.getsockname()[1]}:22"
        assert f"{taken.getsockname()[1]}" in refused(vmm("run", *network, "--serial", "file:console"))
    assert not list(workplace.iterdir())
    for _ in range(2):
        assert vmm("run", *network, "--json").json["ending"]["cause"] == "power-off"


@pytest.mark.parametrize("arguments", [(), ("fly",), ("info",), ("info", "weather"), ("asm", "missing.S"),
                                       ("asm",), ("disasm", "zz"), ("disasm", "missing.elf"), ("--frob",),
                                       ("disasm", "00000000", "--base", "2"), ("asm", "x.S", "--cpu", "Z80")])
def test_bad_commands(arguments: tuple[str, ...], workplace: Path) -> None:
    Path("x.S").write_text("nop\n")
    refused(vmm(*arguments))


def test_bad_assembly(workplace: Path) -> None:
    Path("x.S").write_text("addiu $1, $2\n")
    assert "x.S:1" in refused(vmm("asm", "x.S", "-o", "out.elf"))
    assert not Path("out.elf").exists()


@pytest.mark.parametrize(("arguments", "expected"), [
    (("--mode", "bare", "--host-cpus", "2"), "--migrate 100 --mode bare: a bare machine has no vCPUs"),
    ((), "--migrate 100: the host has one CPU, so vCPUs have nowhere to go; give --host-cpus 2 or more"),
    (("--host-cpus", "2", "--migrate", "3"), "--migrate 3: vCPUs would hardly do anything else; give 20 or more"),
])
def test_a_rhythm_that_makes_no_sense(arguments: tuple[str, ...], expected: str) -> None:
    assert expected in refused(vmm("run", "--migrate", "100", *arguments))


@pytest.mark.parametrize(("arguments", "expected"), [
    (("--mode", "bare"), "--host-mmids --mode bare: a bare machine has no host kernel"),
    (("--cpu", "P5600"), "--host-mmids --cpu P5600: this core has no MMIDs (Config5.MI); choose I6500"),
    (("image", "--cpu", "I6500", "--mode", "vz"), "the host uses MMIDs, and KVM, which gives guests their ids"),
    (("image", "--cpu", "I6500", "--mode", "te"), "knows ASIDs only; boot the host with ASIDs"),
])
def test_a_host_with_mmids(arguments: tuple[str, ...], expected: str, workplace: Path) -> None:
    base = 0x4010_0000 if "te" in arguments else 0x8010_0000
    Path("image").write_bytes(executable([Segment(base, bytes(16), 16)], entry=base, bits=32, release=6))
    assert expected in refused(vmm("run", "--host-mmids", *arguments))
