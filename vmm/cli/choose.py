"""From options to a system: which image, in which mode, on which CPU, with what memory.

What the user left open is chosen by the image: the mode by where it is linked, the CPU by mode, width and release.
"""
from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from vmm.arch.models import CpuModel, find_model
from vmm.cli.main import complain
from vmm.cli.options import RUN
from vmm.errors import ConfigError
from vmm.guest import fdt
from vmm.guest.board import find_board, parse_size
from vmm.guest.cards import DiskCard
from vmm.guest.cardspec import card
from vmm.guest.console import Console
from vmm.guest.disk import Disk
from vmm.guest.files import read_whole
from vmm.guest.formats import Said, load_image
from vmm.guest.image import Image, parse_image
from vmm.guest.outside import Card
from vmm.guest.placement import TE_KSEG0, Mode
from vmm.guest.storage.spec import open_disk, parse_disk
from vmm.guest.system import FIRST_WITHOUT_OLD_CODE, Request, System
from vmm.host.machine.topology import topology_of

if TYPE_CHECKING:                                           # bare runs need no hypervisor
    from vmm.guest.host import Host

BUNDLED = "bundled"                                         # the path of an image that has none

# fmt: off
USUAL_CPU: dict[tuple[Mode, int], tuple[str, str]] = {      # by mode and width of the image: before release 6, from it on
    ("bare", 32): ("24Kf", "mips32r6-generic"), ("bare", 64): ("5KEf", "I6400"),
    ("te",   32): ("24Kf", "mips32r6-generic"), ("te",   64): ("5KEf", "I6400"),
    ("vz",   32): ("P5600", "I6400"),           ("vz",   64): ("MIPS64R5-generic", "I6400"),
}
CANNOT = {                                                  # flags of an image that no core here runs
    "micromips": "microMIPS code; build it with -mno-micromips",
    "mips16":    "MIPS16 code; build it with -mno-mips16",
}
# fmt: on


def request(image: str | None = None, **options: object) -> Request:
    """The same for programs: ``options`` are named as on the command line, ``cpu="P5600"``, ``memory="64M"``."""
    usual = {option.key: option.default for option in RUN if option.key != "beside"}       # for that, there is make_host
    for name in options:
        if name not in usual:
            raise ConfigError(f"{name}={options[name]!r}: there is no such option; there are {', '.join(sorted(usual))}")
    return request_from(Namespace(**{**usual, **options, "IMAGE": image}))


def make_host(guests: Sequence[tuple[Request, Console]]) -> Host:
    """One machine for several guests; ``run`` it as a system."""
    from vmm.guest.host import Host
    from vmm.guest.hypervised import HypervisedSystem

    host = Host([request for request, _ in guests])
    for request, console in guests:
        HypervisedSystem(request, console, host)
    return host


def make_system(request: Request, console: Console) -> System:
    """The hypervisor is imported only by a run that has one."""
    if request.mode == "bare":
        from vmm.guest.bare import BareSystem

        return BareSystem(request, console)
    from vmm.guest.hypervised import HypervisedSystem

    return HypervisedSystem(request, console)


def request_from(options: Namespace) -> Request:
    board = find_board(options.machine)
    memory = board.ram_default if options.memory is None else parse_size(options.memory)
    board.check_ram(memory)
    image, mode = _image_and_mode(options.IMAGE, options.mode, Said(options.load_at, options.big_endian))
    devices = tuple(card(text, complain) for text in _each(options.device))
    disks, cards = _disks(_each(options.disk))
    network = [] if options.net is None else [_network(options.net)]
    cpu = _cpu(image, mode, options.cpu)
    host_cpus = max(options.host_cpus, options.cpus) if mode == "bare" else options.host_cpus
    topology = topology_of(options.topology, cpu, host_cpus)
    return Request(
        image=image, mode=mode, cpu=cpu, board=board, ram_size=memory,
        host_cpus=host_cpus if topology is None else topology.cpus, topology=topology,
        cpus=options.cpus, command_line=options.arguments, initrd=_file("-i", options.initrd, "an initial RAM disk"),
        dtb=_dtb(options.dtb), flash=_file("--pflash", options.pflash, "the contents of a flash memory"),
        engine=options.engine, disks=disks, cards=(*cards, *network, *devices), quantum=options.quantum, seed=options.seed,
        host_mmids=options.host_mmids, migrate=options.migrate)


FOR_ONE_GUEST = ("disk", "device", "net", "json", "trace")
"""Options that guests beside each other cannot share."""


def requests_beside(options: Namespace, first: Request) -> list[Request]:
    """What --beside asks for."""
    images = _each(options.beside)
    if images and first.mode == "bare":
        raise ConfigError(f"--beside {images[0]} --mode bare: only a hypervisor's host can have several guests; choose vz "
                          "or te, or leave --beside out")
    for option in FOR_ONE_GUEST:
        if images and getattr(options, option):
            raise ConfigError(f"--beside {images[0]} --{option}: guests of a host cannot share that; leave one out")
    return [request_from(Namespace(**{**vars(options), "IMAGE": None if image == BUNDLED else image, "mode": first.mode,
                                      "cpu": first.cpu.name})) for image in images]


def _image_and_mode(path: str | None, wanted: Mode | None, said: Said) -> tuple[Image, Mode]:
    if path is None:
        from vmm.guest.bundled import build  # the assembler, which an image does not need

        if said.load_at is not None:
            raise ConfigError("--load-at: there is no image to load; give one, or leave --load-at out")
        mode: Mode = wanted or "vz"
        return parse_image(BUNDLED, build(mode, said.big_endian)), mode
    image = load_image(path, said)
    for flag, remedy in CANNOT.items():
        if flag in image.flags:
            raise ConfigError(f"{path}: holds {remedy}")
    return image, wanted or ("te" if TE_KSEG0.has(image.segments[0].address) else "vz")


def _cpu(image: Image, mode: Mode, name: str | None) -> CpuModel:
    usual = USUAL_CPU[mode, max(image.bits, image.isa.bits)][image.isa.release >= FIRST_WITHOUT_OLD_CODE]
    cpu = find_model(name or usual)
    if image.isa.bits > cpu.bits:
        raise ConfigError(f"{image.path}: has {image.isa.name} code, of {image.isa.bits} bits, and --cpu {cpu.name} "
                          f"is a {cpu.bits}-bit core; choose {usual}")
    return cpu


def _each(given: str | list[str] | None) -> list[str]:
    """An option that repeats; a program may give it once without a list."""
    return [given] if isinstance(given, str) else given or []


def _network(spec: str) -> Card:
    from vmm.guest.net.card import user_card  # sockets, which most runs need not load

    return user_card(spec)


def _disks(texts: Iterable[str]) -> tuple[tuple[Disk, ...], tuple[DiskCard, ...]]:
    """On IDE, and as cards."""
    ide, cards = [], []
    with ExitStack() as opened:
        for spec in [parse_disk(text) for text in texts]:
            disk = opened.enter_context(closing(open_disk(spec, complain)))
            if spec.interface == "virtio":
                cards.append(DiskCard(disk, read_only=spec.read_only))
            else:
                ide.append(disk)
        opened.pop_all()                                    # from here on, they are the request's
    return tuple(ide), tuple(cards)


def _dtb(path: str | None) -> bytes:
    """Looked at now, so that the message has its name."""
    if path is None:
        return b""
    blob = read_whole(path, "a device tree blob, or leave --dtb out", "--dtb", fdt.LARGEST)
    fdt.parse(f"--dtb {path}", blob)
    return blob


def _file(option: str, path: str | None, wanted: str) -> bytes:
    return b"" if path is None else read_whole(path, f"{wanted}, or leave {option} out", option)
