"""Debian 12's kernels with their own virtio drivers: a disk, a network card, entropy and a second console, on PCI.

What the guest did is verified on the host's side.  By name only: ``pytest -m soak tests/soak/test_virtio.py``.
"""
from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from random import Random

import pytest

from tests.support.debian import kernel
from tests.support.initramfs import initramfs
from tests.support.person import Person, malta, run
from vmm.guest.cards import ConsoleCard, DiskCard, EntropyCard, NetworkCard
from vmm.guest.devices.virtio.rng import VirtioRng
from vmm.guest.disk import MemoryDisk
from vmm.guest.placement import Mode

SEED = 20_231_105
MIB = 1 << 20
MODULES = "virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "virtio_console"
PATIENCE = 500
SHELL = """
for module in virtio_pci virtio_blk virtio_console; do modprobe $module; done
setsid sh < /dev/hvc0 > /dev/hvc0 2>&1
"""
MOST_INSTRUCTIONS = 9_000_000_000
INIT = """
for module in virtio_pci virtio_blk virtio_net virtio-rng virtio_console; do modprobe $module || echo no $module; done
echo size $(cat /sys/block/vda/size) serial $(cat /sys/block/vda/serial)
echo whole $(md5sum < /dev/vda)
dd if=/dev/vda of=/dev/vda bs=256k count=4 skip=1 seek=9 conv=fsync 2>&1 | tail -1
dd if=/dev/zero of=/dev/vda bs=512 count=3 seek=5 conv=fsync 2> /dev/null
echo 3 > /proc/sys/vm/drop_caches
echo after $(md5sum < /dev/vda)
/sbin/blkdiscard -z -o 1048576 -l 65536 /dev/vda && echo zeroed
dd if=/dev/vdb of=/dev/vdb bs=512 count=1 2> /dev/null || echo vdb can only be read
echo driver $(cat /sys/class/misc/hw_random/rng_current)
echo entropy $(dd if=/dev/hwrng bs=48 count=1 2> /dev/null | xxd -p | tr -d '\\n')
ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0
echo mac $(cat /sys/class/net/eth0/address)
ping -c 3 -s 1400 10.0.2.2
exec 3<> /dev/hvc0
echo to the second console >&3
read line <&3
echo heard $line
grep virtio /proc/interrupts
poweroff -f
"""


class Neighbour:
    """One host on the cable: it answers ARP for 10.0.2.2 and echoes pings.  (RFC 826, RFC 792)"""
    MAC, ADDRESS = bytes.fromhex("020000000002"), bytes([10, 0, 2, 2])

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self.pings = 0

    def send(self, frame: bytes) -> None:
        kind, body = frame[12:14], frame[14:]
        if kind == b"\x08\x06" and body[6:8] == b"\0\1" and body[24:28] == self.ADDRESS:
            answer = body[:6] + b"\0\2" + self.MAC + self.ADDRESS + body[8:18]
            self._frames.append(frame[6:12] + self.MAC + kind + answer.ljust(46, b"\0"))
        elif kind == b"\x08\x00" and body[9] == 1 and body[16:20] == self.ADDRESS and body[20] == 8:
            checksum = int.from_bytes(body[22:24], "big") + 0x0800
            answer = body[:12] + body[16:20] + body[12:16] + b"\0\0" + ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(
                2, "big") + body[24:]
            self._frames.append(frame[6:12] + self.MAC + kind + answer)
            self.pings += 1

    def poll(self) -> Iterable[bytes]:
        found, self._frames = self._frames, []
        return found

    def attend(self) -> None:
        """Nothing comes from outside."""


class Other(Person):
    """At the second console."""

    def flush(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.soak
@pytest.mark.parametrize(("architecture", "mode", "cpu", "extra"), [
    ("mipsel",   "bare", "24Kf",             ""),
    ("mipsel",   "vz",   "P5600",            " ieee754=relaxed"),
    ("mips64el", "bare", "5KEf",             ""),
])
def test_debians_drivers_are_content(architecture: str, mode: Mode, cpu: str, extra: str) -> None:
    print(f"seed {SEED}")
    contents = Random(SEED).randbytes(4 * MIB)
    disk, neighbour, other = MemoryDisk(contents), Neighbour(), Other([(b"second console", b"typed there\n")])
    cards = (DiskCard(disk, "a-disk"), NetworkCard(neighbour), EntropyCard(SEED), ConsoleCard(other),
             DiskCard(MemoryDisk(contents[:512]), read_only=True))
    modules = initramfs(architecture, INIT, ["util-linux"], ["blkdiscard"], MODULES)
    request = malta(str(kernel(architecture).image), mode, cpu, f"console=ttyS0{extra}", modules)
    person = Person()
    system = run(replace(request, cards=cards), person, MOST_INSTRUCTIONS)
    text = person.text
    print(text[-4000:])
    assert system.ending is not None and system.ending.status == 0

    wanted = bytearray(contents)
    wanted[9 * 0x4_0000:13 * 0x4_0000] = contents[0x4_0000:5 * 0x4_0000]
    wanted[5 * 512:8 * 512] = bytes(3 * 512)
    assert f"size {8192} serial a-disk" in text and f"whole {md5(contents).hexdigest()}" in text
    assert f"after {md5(wanted).hexdigest()}" in text
    wanted[MIB:MIB + 65536] = bytes(65536)
    assert "zeroed" in text and disk.read(0, 8192) == bytes(wanted)
    assert "vdb can only be read" in text

    numbers = bytes.fromhex(text.partition("\nentropy ")[2].partition("\n")[0])
    assert "driver virtio_rng.0" in text and len(numbers) == 48 and numbers in VirtioRng(SEED).stream(0, 1 << 16)

    assert "mac 52:54:00:12:34:56" in text and "3 packets received, 0% packet loss" in text and neighbour.pings == 3
    assert other.text == "to the second console\ntyped there\n" and "heard typed there" in text
    assert text.count("virtio") >= 5


@pytest.mark.soak
def test_a_shell_on_the_second_console(tmp_path: Path) -> None:
    """From the command line, over TCP, while nobody can type at the first one; and a disk in a file."""
    initrd, image = tmp_path / "initrd", tmp_path / "disk.img"
    initrd.write_bytes(initramfs("mipsel", SHELL, modules=MODULES))
    image.write_bytes(bytes(MIB))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        where = f"virtio-console,tcp:127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "vmm", "run", str(kernel("mipsel").image), "--mode", "bare", "-i", str(initrd),
                   "-a", "console=ttyS0", "--device", where, "--disk", f"{image},if=virtio"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE)
            with connection, connection.makefile("rwb", buffering=0) as line:
                heard = bytearray()
                for wanted, answer in ((b"# ", b"echo $((6 * 7)) > /dev/vda\n"), (b"# ", b"head -c 2 /dev/vda\n"),
                                       (b"42", b"sync; poweroff -f\n")):
                    heard.clear()
                    while wanted not in heard:
                        heard += line.read(1) or pytest.fail(f"the guest has left, and said {bytes(heard)!r}")
                    line.write(answer)
            said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and b"reboot: Power down" in said
    assert image.read_bytes()[:3] == b"42\n"
