"""``--disk FILE[,if=ide|virtio][,format=raw][,readonly]``: what a user says of a disk, and the disk that it means.

Invariant: a specification is data; only ``open_disk`` touches a file.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vmm.errors import ConfigError
from vmm.guest.disk import Image, ImageDisk
from vmm.guest.storage.hostfile import HostFile
from vmm.guest.storage.raw import RawImage, recognised

OPTION = "--disk"
CHOICES = {"if": ("ide", "virtio"), "format": ("raw",)}
USUAL = "ide"


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
        raise ConfigError(f"{OPTION} {text!r}: names no file; give FILE[,if=ide|virtio][,format=raw][,readonly]")
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
        raise ConfigError(f"{spec}: is a {found} image; give one of {', '.join(CHOICES['format'])}, or say ,format=raw if "
                          "its bytes are the disk's")
    return RawImage(file, str(spec), guarded=spec.format is None)
