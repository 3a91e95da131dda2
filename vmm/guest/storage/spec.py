"""``--disk FILE[,if=ide|virtio][,format=raw|qcow2][,readonly]``: what a user says of a disk, and the disk that it means.

Invariant: a specification is data; only ``open_disk`` touches a file.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmm.errors import ConfigError
from vmm.guest.disk import Image, ImageDisk
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.qcow2 import Qcow2Image
from vmm.guest.storage.qcow2_header import Header, read_header
from vmm.guest.storage.raw import RawImage, recognised

OPTION = "--disk"
CHOICES = {"if": ("ide", "virtio"), "format": ("raw", "qcow2")}
USUAL = "ide"
MOST_BEHIND = 16
PROTOCOL = re.compile(r"[a-z][a-z0-9+.-]*:")                # nbd:, json:, https: and the like


@dataclass(frozen=True, slots=True)
class DiskSpec:
    """``format``: None for what the file looks like."""
    path: str
    interface: str = USUAL
    format: str | None = None
    read_only: bool = False

    def __str__(self) -> str:
        return f"{OPTION} {self.path}"


def parse_disk(text: str) -> DiskSpec:
    """A comma in the name of a file is written twice."""
    path, *words = (part.replace("\0", ",") for part in text.replace(",,", "\0").split(","))
    if not path:
        raise ConfigError(f"{OPTION} {text!r}: names no file; give FILE[,if=ide|virtio][,format=raw|qcow2][,readonly]")
    said: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name in said:
            raise ConfigError(f"{OPTION} {text}: says {name} twice; leave one out")
        if word != "readonly" and name not in CHOICES:
            raise ConfigError(f"{OPTION} {text}: there is no {word!r}; there are if=, format= and readonly (a comma in the "
                              "name of the file is written twice)")
        if equals and value not in CHOICES[name] or not equals and word != "readonly":
            raise ConfigError(f"{OPTION} {text}: {name}= is one of {', '.join(CHOICES[name])}, not {value!r}")
        said[name] = value
    return DiskSpec(path, said.get("if", USUAL), said.get("format"), "readonly" in said)


def open_disk(spec: DiskSpec, tell: Callable[[str], None]) -> ImageDisk:
    """``tell`` is given a line for the user when the disk fails."""
    file = HostFile(spec.path, spec.read_only, OPTION)
    try:
        image = open_image(file, spec)
    except OSError as error:
        raise ConfigError(f"{spec}: cannot be read: {error.strerror or error}; give a disk image") from None
    return ImageDisk(image, str(spec), tell, spec.read_only)


def open_image(file: HostFile, spec: DiskSpec) -> Image:
    found = spec.format or recognised(file)
    if found not in CHOICES["format"]:
        raise ConfigError(f"{spec}: is a {found} image; convert it with qemu-img convert, or say ,format=raw if its bytes "
                          "are the disk's")
    if found == "qcow2":
        return _qcow2(file, str(spec), spec.read_only, MOST_BEHIND)
    return RawImage(file, str(spec), guarded=spec.format is None)


def _qcow2(file: HostFile, name: str, read_only: bool, most: int) -> Image:
    """``most``: how many files may be behind it."""
    if recognised(file) != "qcow2":
        raise ConfigError(f"{name}: is no qcow2 image; leave out format=qcow2, or give one")
    header = read_header(file, name)
    backing = None if header.backing is None else _behind(file.path, header, name, most)
    return Qcow2Image(file, header, backing, name, read_only)


def _behind(path: str, header: Header, name: str, most: int) -> Image:
    """A guest can write what looks like an image into a raw file, so that nothing is guessed here."""
    backing, kind = header.backing or "", header.backing_format
    if kind not in ("raw", "qcow2") or PROTOCOL.match(backing):
        raise ConfigError(f"{name}: the file behind it is {backing!r}, of format {kind or 'unknown'}; make it a raw or "
                          "qcow2 file and say so with qemu-img rebase -u -b FILE -F raw|qcow2")
    if not most:
        raise ConfigError(f"{name}: has more than {MOST_BEHIND} files behind it; put them into one with qemu-img convert")
    name = f"{name}: backing file"
    file = HostFile(str(Path(path).parent / backing), True, name)
    return file if kind == "raw" else _qcow2(file, f"{name} {file.path}", True, most - 1)
