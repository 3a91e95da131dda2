"""The boot log of Debian's kernel here and on QEMU's Malta: the same lines, but for those that have a reason.

QEMU is the judge of what a Malta looks like to this kernel, so each difference is a row of a table and has to be
needed.  By name only: ``pytest -m soak tests/soak/test_debian_log.py``.
"""
from __future__ import annotations

import os
import re
import select
import subprocess
import time

import pytest

from tests.support.bootlog import Floats, Only, Row, Varies, lines_of, unexplained
from tests.support.debian import netboot
from tests.support.sessions import CORES, NOISE, PROMPT, Core, session

SECONDS = 900                                               # on a busy machine; ten of processor time
QEMU = {"mipsel": "qemu-system-mipsel", "mips64el": "qemu-system-mips64el"}
COMPARED = [core for core in CORES if core.cpu in ("24Kf", "5KEf")]
COMPLAINT = re.compile(r"\boops\b|\bBUG\b|\bWARN|unexpected|\blost\b|nobody cared|unstable|\bstall|Call Trace|skew"
                       r"|tsc|time went backwards", re.IGNORECASE)

# fmt: off
EVERYWHERE: tuple[Row, ...] = (
    Varies(r"(?<=Initial ramdisk at: )\w+",            "an initial RAM disk lies where the board's firmware puts it"),
    Varies(r"rd_start=\w+",                            "the same address; a pointer's sign is optional for the kernel"),
    Varies(r"(?<=CPU frequency )[\d.]+",               "an instruction takes 5 ns here; QEMU's cores run at 333 MHz"),
    Varies(r"(?<=max_idle_ns: )\d+(?= ns$)",           "follows the core's frequency"),
    Varies(r"\d+MHz, resolution \d+ns, wraps every \d+ns",  "follows the core's frequency"),
    Varies(r"[\d.]+ BogoMIPS \(lpj=\d+\)",             "QEMU's clock is the host's, ours counts instructions"),
    Varies(r"(?<=audit\()[\d.:]+",                     "the date, which is fixed here"),
    Varies(r"(?<=system clock to ).*",                 "the date, which is fixed here"),
    Varies(r"(?<=Memory: )\d+K(?=/)",                  "as much as the initial RAM disk's place leaves"),
    Floats(r"^audit: type=2000",                       "written by a thread of its own"),
    Floats(r"^Trying to unpack rootfs",                "another thread"),
    Floats(r"^Freeing initrd memory",                  "the end of that thread's work"),
    Floats(r"^input: AT Raw Set 2 keyboard",           "found by a thread of its own"),
    Floats(r"extra baud rates supported|printk: (console|bootconsole) \[",  "shown twice while two consoles are on"),
    Only("theirs", r"^random: crng init done",         "QEMU's firmware hands the kernel a random seed; a run has none"),
    Only("theirs", r"00:00\.0: \[Firmware Bug\]: BAR [1-5]: invalid; can't size",  "those of QEMU's GT-64120 have no size"),
    Only("ours",   r"00:00\.0: BAR [0-5] \[mem 0x\w+-0x\w+\]",  "ours have the smallest one"),
    Only("theirs", r"quirk: \[io  0x1100-0x110f\] claimed by PIIX4 SMB",  "QEMU places the SMBus host; firmware does not"),
    Only("theirs", r"^hrtimer: interrupt took \d+ ns$|\+0x\w+/0x\w+ took \d+ usecs$",
                                                       "its clock goes on while the host does other work", sometimes=True),
    Only("theirs", r"^Calibrating delay loop\.\.\.$",  "a slow one makes the kernel begin a new line", sometimes=True),
    Only("theirs", r"^\*$",                            "and this is that line", sometimes=True),
    Only("ours",   r"^Calibrating delay loop\.\.\. \*$",  "here it is one", sometimes=True),
)
ONLY_ON: dict[str, tuple[Row, ...]] = {
    "24Kf": (
        Only("ours",   r"^Performance counters: mips/24K PMU enabled, 2 32-bit",  "a 24K has them; QEMU leaves them out"),
        Only("theirs", r"^Performance counters: No available PMU",  "the same line in QEMU"),
    ),
    "5KEf": (
        Only("ours",   r"^Performance counters: No available PMU",  "no counters are modelled for a 5KE"),
        Only("theirs", r"^Performance counters: Either hardware",  "QEMU's has some, which the kernel cannot use"),
    ),
}
# fmt: on


def boot_in_qemu(core: Core) -> str:
    """The log up to the first prompt."""
    folder = netboot(core.architecture)
    process = subprocess.Popen(
        [QEMU[core.architecture], "-M", "malta", "-cpu", core.cpu, "-m", "256", "-display", "none", "-no-reboot",
         "-vga", "none", "-nic", "none", "-monitor", "none", "-serial", "stdio", "-kernel", next(folder.glob("vmlinuz-*")),
         "-initrd", folder / "initrd.gz", "-append", f"console=ttyS0 rdinit=/bin/sh{core.extra}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    said, end = b"", time.monotonic() + SECONDS
    try:
        while PROMPT.encode() not in said:
            assert time.monotonic() < end, said[-2000:]
            if select.select([process.stdout], [], [], 1)[0]:
                data = os.read(process.stdout.fileno(), 4096)
                assert data, process.communicate()[1]
                said += data
    finally:
        process.kill()
        process.communicate()
    return NOISE.sub("", said.decode("latin-1")).partition(PROMPT)[0]


@pytest.mark.soak
@pytest.mark.parametrize("core", COMPARED, ids=str)
def test_the_log_is_that_of_qemus_malta(core: Core) -> None:
    ours, theirs = session(core).log, boot_in_qemu(core)
    rows = EVERYWHERE + ONLY_ON[core.cpu]
    told = unexplained(ours, theirs, rows)
    assert not told, "\n".join(told)
    complaints = {line for line in lines_of(ours) if COMPLAINT.search(line)}
    assert complaints <= set(lines_of(theirs))
    print(f"{core}: {len(lines_of(ours))} lines here, {len(lines_of(theirs))} there, {len(rows)} rows of differences")
