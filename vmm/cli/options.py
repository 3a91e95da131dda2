"""Every verb and every option, each as one row; the parser, its help and the README's list come from here.

Invariant: importing this costs next to nothing, since ``vmm --help`` needs no more.  What a value means to a
machine (a size, a CPU, a board) is checked by whoever owns that fact, not here.
"""
from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass

GDB_PORT = "1234"                                           # what ``-s`` stands for, as in QEMU
SCALES = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True, slots=True)
class Option:
    """``flags``: as typed, or one bare word for a positional.  ``kind``: text to value; None is a switch."""
    flags: str
    kind: Callable[[str], object] | None
    default: object
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    count: str | None = None                                # "?" optional, "+" at least one, "*" any number, "..." the rest
    repeats: bool = False                                   # each time it is given, one more; a list
    name: str | None = None                                 # in the parsed options, where the flag says it badly

    @property
    def positional(self) -> bool:
        return not self.flags.startswith("-")

    @property
    def key(self) -> str:
        """What it is called in the parsed options."""
        return self.name or self.flags.split()[-1].lstrip("-").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Verb:
    """``module`` has ``main(options) -> exit status`` and is imported only when the verb is used."""
    name: str
    module: str
    summary: str
    options: tuple[Option, ...]


# -- kinds of values -----------------------------------------------------------------------------------------

def positive(text: str) -> int:
    """A whole number above 0; ``K``, ``M`` and ``G`` count thousands."""
    found = re.fullmatch(r"([0-9]{1,18})([KMG]?)", text.upper())
    if not found or not int(found[1]):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0; give one such as 4 or 10M")
    return int(found[1]) * SCALES[found[2]]


def natural(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ArgumentTypeError(f"{text!r} is not a whole number; give one such as 0 or 7")
    return int(text)


def positives(text: str) -> list[int]:
    """Whole numbers above 0, with commas between them; each once, the smallest first."""
    if not re.fullmatch(r"[0-9]{1,6}(,[0-9]{1,6})*", text) or 0 in map(int, text.split(",")):
        raise ArgumentTypeError(f"{text!r} is not a list of whole numbers above 0; give one such as 1,2,4")
    return sorted(set(map(int, text.split(","))))


def seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not float(text):
        raise ArgumentTypeError(f"{text!r} is not a time in seconds above 0; give one such as 10 or 0.5")
    return float(text)


def address(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise ArgumentTypeError(f"{text!r} is not an address; give one such as 0x80100000")
    return value


def pattern(text: str) -> re.Pattern[bytes]:
    try:
        return re.compile(text.encode("utf-8", "surrogateescape"))
    except re.error as error:
        raise ArgumentTypeError(f"{text!r} is not a regular expression ({error}); put \\ before special "
                                "characters that you mean literally") from None


AFTER_SO_MANY = ("after so many instructions, the host kernel's among them; what has begun goes on: a switch from "
                 "task to task to its end, and with several CPUs their turns (--quantum)")

# -- the rows ------------------------------------------------------------------------------------------------
# fmt: off
DEBUGGER = (
    Option("--gdb",       str,      None,     "serve a debugger there; port 0 takes one that is free",
                                              "[HOST:]PORT"),
    Option("-s",          None,     False,    f"the same as --gdb {GDB_PORT}", name="gdb_usual"),
    Option("-S",          None,     False,    "wait for the debugger before the first instruction", name="hold"),
)
RUN = (
    Option("IMAGE",       str,      None,     "ELF executable or uImage for MIPS; without one, the bundled guest",
                                              count="?"),
    Option("--load-at",   address,  None,     "the image is code for this address, where it also starts", "ADDRESS"),
    Option("--big-endian", None,    False,    "byte order of an image that does not say it: a uImage, code alone, the "
                                              "bundled guest"),
    Option("--mode",      str,      None,     "vz: in the CPU's guest context; te: trap and emulate, in user mode; "
                                              "bare: no hypervisor (default: te for an image linked at 0x40000000, "
                                              "else vz)", choices=("vz", "te", "bare")),
    Option("--machine",   str,      "malta",  "board, see vmm info machines", "BOARD"),
    Option("--cpu",       str,      None,     "CPU model of the host, see vmm info cpus (default: one that fits image "
                                              "and mode)", "MODEL"),
    Option("--host-cpus", positive, 1,        "CPUs of the host", "N"),
    Option("--topology",  str,      None,     "where the host's CPUs are, such as 2x4x2: clusters, cores of each, VPs of "
                                              "each core (default: one cluster of full cores)", "CxKxV"),
    Option("--host-mmids", None,    False,    "let the host kernel use MMIDs instead of ASIDs, where the CPU has them; as "
                                              "in the original, KVM does not run there"),
    Option("--beside",    str,      None,     "one more VM on the same host, of the same kind and with the same options, "
                                              "for this image (bundled: the bundled guest); again for more. Its lines "
                                              "begin with vm1:, vm2: and so on", "IMAGE", repeats=True),
    Option("-c --cpus",   positive, 1,        "CPUs of the guest", "N"),
    Option("--quantum",   positive, None,     "instructions that a CPU executes before the next has its turn (default: "
                                              "400K bare, else 50K)", "N"),
    Option("--seed",      natural,  0,        "another interleaving of the CPUs for each number; the same for the same",
                                              "N"),
    Option("--migrate",   natural,  0,        "let each vCPU go on at the next CPU of the host every so many microseconds "
                                              "of virtual time (default: 0, never)", "N"),
    Option("-m --memory", str,      None,     "memory of the guest (default: the board's, 256M)", "SIZE"),
    Option("-i --initrd", str,      None,     "initial RAM disk", "INITRD"),
    Option("--dtb",       str,      None,     "device tree blob; the kernel gets it, with memory, command line and initrd "
                                              "filled in, instead of YAMON's arguments", "FILE"),
    Option("--pflash",    str,      None,     "what is in the flash memory at first; what the guest writes there ends with "
                                              "the run", "FILE"),
    Option("--disk",      str,      None,     "image of a disk: FILE[,if=ide|virtio][,format=raw|qcow2][,readonly]; "
                                              "again for more; what the guest writes is kept", "DISK", repeats=True),
    Option("--device",    str,      None,     "a card in a PCI slot: virtio-rng[,seed=N] or virtio-console,WHERE, as for "
                                              "--serial; again for more", "DEVICE", repeats=True),
    Option("--net",       str,      None,     "a network card; user: a network of its own, which reaches the host's",
                                              "user[,fwd=tcp|udp:HOSTPORT:GUESTPORT]..."),
    Option("-a --append", str,      "",       "kernel command line, such as console=ttyS0", "ARGS", name="arguments"),
    Option("--serial",    str,      "stdio",  "where the console is: stdio, pty, file:FILE or tcp:HOST:PORT", "WHERE"),
    *DEBUGGER,
    Option("--until",     pattern,  None,     "end, with status 0, when a line of the console matches", "REGEX"),
    Option("--max-insns", positive, None,     f"end, with status 124, {AFTER_SO_MANY}", "N"),
    Option("--timeout",   seconds,  None,     "end, with status 124, after so many seconds of real time", "S"),
    Option("--realtime",  None,     False,    "let the guest's idle time take as long as it says, for people; else it is "
                                              "skipped"),
    Option("--stats",     None,     False,    "print instructions, time, memory and exits by cause at the end"),
    Option("--json",      None,     False,    "print one JSON object, console included, and nothing else"),
    Option("--trace",     str,      None,     "write every instruction that is executed to a file, slowly", "FILE"),
    Option("--engine",    str,      "native", "native: compiled; reference: plain Python, slow",
                                              choices=("native", "reference")),
)
NOT_EXPLAINED = frozenset({"--beside", "--gdb", "-s", "-S", "--stats", "--json", "--trace"})
EXPLAIN = (
    Option("ADDRESS",      address,  None,    "virtual address, such as 0x80100000"),
    Option("--access",     str,      "load",  "what is done there: load, store or fetch (default: load)",
                                              choices=("load", "store", "fetch")),
    Option("--host",       None,     False,   "for a CPU of the machine, not for its guest"),
    Option("--cpu-number", natural,  0,       "of which CPU, or of the guest's which vCPU (default: 0)", "N"),
    *(option for option in RUN if option.flags not in NOT_EXPLAINED),
)
HOST = (
    Option("PROGRAM",     str,      None,     "statically linked ELF executable of Linux for MIPS, o32 or n64"),
    Option("ARGS",        str,      None,     "its arguments: all that follows", count="..."),
    Option("--cpu",       str,      None,     "CPU model, see vmm info cpus (default: one that fits the program)", "MODEL"),
    Option("--host-cpus", positive, 1,        "CPUs of the machine", "N"),
    Option("--topology",  str,      None,     "where the CPUs are, such as 2x4x2: clusters, cores of each, VPs of each "
                                              "core (default: one cluster of full cores)", "CxKxV"),
    Option("--mmids",     None,     False,    "address spaces have global ids (MMIDs) and are invalidated by GINVT; else "
                                              "ASIDs and interrupts"),
    Option("--exec",      str,      None,     "another program, which execve finds by this name; again for more", "PROGRAM",
                                              repeats=True, name="others"),
    Option("--env",       str,      None,     "a variable of the environment; again for more", "NAME=VALUE", repeats=True),
    Option("--stdin",     str,      None,     "a file that is standard input (default: empty)", "FILE"),
    Option("--quantum",   positive, 50_000,   "instructions that a CPU executes before the next has its turn (default: "
                                              "50K)", "N"),
    Option("--seed",      natural,  0,        "another interleaving of the CPUs, and other random numbers for programs, "
                                              "for each number; the same for the same", "N"),
    Option("-m --memory", str,      "64M",    "memory of the machine (default: 64M)", "SIZE"),
    *DEBUGGER,
    Option("--max-insns", positive, None,     f"end, with status 124, {AFTER_SO_MANY}", "N"),
    Option("--timeout",   seconds,  None,     "end, with status 124, after so many seconds of real time", "S"),
    Option("--stats",     None,     False,    "print instructions, system calls, faults and flushes at the end, on "
                                              "standard error"),
    Option("--json",      None,     False,    "print one JSON object, output included, and nothing else"),
    Option("--engine",    str,      "native", "native: compiled; reference: plain Python, slow",
                                              choices=("native", "reference")),
)
CODE = (
    Option("--cpu",        str,      "P5600",    "CPU model whose instructions to use", "MODEL"),
    Option("--base",       address,  0x80100000, "address of the first word (default: 0x80100000)", "ADDRESS"),
    Option("--big-endian", None,     False,      "byte order of the code"),
)
ASM = (
    Option("SOURCE",      str,      None,     "file of assembly, or - for standard input"),
    *CODE,
    Option("-o",          str,      None,     "write an ELF executable instead of a listing", "FILE", name="output"),
)
DISASM = (
    Option("CODE",        str,      None,     "an ELF executable or uImage, or words in hexadecimal", count="+"),
    *CODE,
    Option("--aliases",   None,     False,    "print nop, move and the like where they fit"),
)
INFO = (
    Option("TOPIC",       str,      None,     "cpus, machines, cp0 or insns", "TOPIC",
                                              choices=("cpus", "machines", "cp0", "insns")),
)
LAB = (
    Option("EXPERIMENT",  str,      None,     "shootdown: what flushes of TLBs cost, with ASIDs and interrupts and with "
                                              "MMIDs and GINVT", "EXPERIMENT", choices=("shootdown",)),
    Option("--cpu",       str,      "I6500",  "CPU model; it must have MMIDs (default: I6500)", "MODEL"),
    Option("--host-cpus", positives, [1, 2, 4, 8, 16, 32], "numbers of CPUs to compare (default: 1,2,4,8,16,32)", "N,N..."),
    Option("--processes", positive, 4,        "processes (default: 4)", "N"),
    Option("--threads",   positive, 8,        "threads of each (default: 8)", "N"),
    Option("--pages",     positive, 4,        "pages that a thread maps at a time (default: 4)", "N"),
    Option("--rounds",    positive, 16,       "how often it maps, protects and unmaps them (default: 16)", "N"),
    Option("--seed",      natural,  0,        "other addresses by chance, and other turns of the CPUs; the same for the "
                                              "same", "N"),
    Option("--quantum",   positive, 200,      "instructions that a CPU executes before the next has its turn; clocks are "
                                              "so far apart at most (default: 200)", "N"),
    Option("-o",          str,      None,     "write a plot, too; needs matplotlib", "FILE.svg|FILE.png", name="output"),
    Option("--json",      None,     False,    "print one JSON object, and nothing else"),
)

VERBS: dict[str, Verb] = {verb.name: verb for verb in (
    Verb("run",    "vmm.cli.run",    "run a guest: an ELF image, or the bundled one", RUN),
    Verb("explain", "vmm.cli.explain", "say how an address is translated, and why so, at the start of a run or where "
                                       "a limit such as --until ends it", EXPLAIN),
    Verb("host",   "vmm.cli.host",   "run Linux programs on the host kernel, without a guest", HOST),
    Verb("lab",    "vmm.cli.lab",    "measure the host kernel: a table, and a plot", LAB),
    Verb("asm",    "vmm.cli.asm",    "assemble a file",                               ASM),
    Verb("disasm", "vmm.cli.disasm", "disassemble words or an ELF executable",        DISASM),
    Verb("info",   "vmm.cli.info",   "list what there is to choose from",             INFO),
    Verb("doctor", "vmm.cli.doctor", "check that this computer has what vmm needs",   ()),
)}
# fmt: on
