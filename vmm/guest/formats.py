"""What a file that is given as an image can be: an ELF executable, a U-Boot image, or code as it is.

Only ELF files say all about themselves; what the others leave open, the user says.
"""
from __future__ import annotations

from dataclasses import dataclass, replace

from vmm.errors import ConfigError
from vmm.guest.elfwriter import executable
from vmm.guest.files import read_whole
from vmm.guest.image import ELF_MAGIC, LARGEST_FILE, Image, image_of_code, parse_image
from vmm.guest.uimage import is_uimage, parse_uimage

LOOKED_AT = 8                                               # words, to tell the byte order
WANTED = "an ELF executable for MIPS"


@dataclass(frozen=True, slots=True)
class Said:
    """``load_at``: the file is code for this address, where it also starts.  Both are named as their options."""
    load_at: int | None = None
    big_endian: bool = False


def load_image(path: str, said: Said = Said()) -> Image:
    raw = read_whole(path, WANTED, largest=LARGEST_FILE)
    if raw[:4] == ELF_MAGIC:
        return _elf(path, raw, said)
    if said.load_at is not None:
        if said.load_at % 4:
            raise ConfigError(f"--load-at {said.load_at:#x}: code begins at a multiple of 4; give such an address")
        bits = 64 if said.load_at >> 32 else 32
        return _as_elf(image_of_code(path, raw, said.load_at, said.load_at, bits, said.big_endian))
    if is_uimage(raw):
        return _as_elf(parse_uimage(path, raw, said.big_endian))
    return parse_image(path, raw)


def _as_elf(image: Image) -> Image:
    """A debugger asks for the file, and reads only ELF."""
    _check_order(image)
    return replace(image, raw=executable(image.segments, entry=image.entry, symbols={}, bits=image.bits,
                                         big_endian=image.big_endian, release=image.isa.release))


def _elf(path: str, raw: bytes, said: Said) -> Image:
    if said.load_at is not None:
        raise ConfigError(f"{path}: is an ELF file, which says itself where it goes; leave --load-at out")
    image = parse_image(path, raw)
    if said.big_endian and not image.big_endian:
        raise ConfigError(f"{path}: is a little-endian ELF file; leave --big-endian out")
    return image


def _check_order(image: Image) -> None:
    """Refuse code whose first words are instructions in the other byte order only: nobody would hear of it again."""
    segment = image.segments[0]
    start = image.entry - segment.address
    code = segment.data[start:start + 4 * LOOKED_AT]
    first = [code[at:at + 4] for at in range(0, len(code) & -4, 4)]
    if not _decodes(first, image.big_endian, image.bits) and _decodes(first, not image.big_endian, image.bits):
        found, remedy = ("little", "leave --big-endian out") if image.big_endian else ("big", "add --big-endian")
        raise ConfigError(f"{image.path}: its code is {found}-endian, by its first {len(first)} words; {remedy}")


def _decodes(code: list[bytes], big_endian: bool, bits: int) -> bool:
    from vmm.kvm import words  # all instructions, which no ELF file needs to be started

    numbers = [int.from_bytes(word, "big" if big_endian else "little") for word in code]
    return any(all(words.read(number, release=release, bits=bits) for number in numbers) for release in (5, 6))
