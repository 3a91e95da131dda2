"""Debian 12's kernel on the user network: a lease, a download, an upload, and a connection through a forwarded port.

``vmm run`` as a user runs it, since its loop is what waits for the network.  By name only:
``pytest -m soak tests/soak/test_network.py``.
"""
from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from urllib.request import urlopen

import pytest

import vmm
from tests.support.debian import kernel
from tests.support.initramfs import initramfs

ROOT = Path(vmm.__file__).parent.parent
SEED = 20_231_106
DOWNLOAD, UPLOAD = 10 << 20, 2 << 20
MOST_SECONDS = 900                                          # of real time, on a busy machine
LEASED = """#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add $ip/$mask dev $interface
ip route add default via $router
echo nameserver $dns > /etc/resolv.conf
echo lease $ip/$mask router $router dns $dns for $lease from $serverid
"""
DONE = """#!/bin/sh
echo Content-Type: text/plain
echo
echo goodbye
touch /tmp/done
"""
INIT = """
mkdir -p /etc
chmod 755 /leased /www/cgi-bin/done
modprobe virtio_pci; modprobe virtio_net
ip link set lo up; ip link set eth0 up
udhcpc -i eth0 -n -q -s /leased
ping -c 3 -W 5 10.0.2.2 | grep received
ping -c 1 -W 2 192.0.2.1 | grep -e received -e filtered
nc 10.0.2.2 {closed} < /dev/null; echo closed port: status $?
read before rest < /proc/uptime
echo whole $(wget -q -O - http://10.0.2.2:{port}/data | md5sum)
read after rest < /proc/uptime
echo took $before to $after
read before rest < /proc/uptime
dd if=/dev/zero bs=64k count={blocks} 2> /dev/null | nc 10.0.2.2 {sink}
read after rest < /proc/uptime
echo sent $before to $after
sleep 5; echo slept
httpd -p 80 -h /www
echo serving
for second in $(seq 600); do [ -f /tmp/done ] && break; sleep 1; done
sleep 1
ifconfig eth0 | grep -e errors -e dropped
poweroff -f
"""


@contextmanager
def file_server(data: bytes) -> Iterator[int]:
    """On the loopback, at this port."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: object) -> None:
            """Nobody reads it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def sink(taken: bytearray) -> Iterator[int]:
    """Takes what one connection sends, to its end."""
    def take() -> None:
        with listener.accept()[0] as peer:
            while data := peer.recv(1 << 16):
                taken.extend(data)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=take, daemon=True).start()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
        return found


def visit(forwarded: int, pages: dict[str, bytes]) -> None:
    """Connect to the guest as soon as it is up; the guest is asked again while it refuses."""
    for page in ("large", "cgi-bin/done"):
        for _ in range(MOST_SECONDS):
            try:
                with urlopen(f"http://127.0.0.1:{forwarded}/{page}", timeout=MOST_SECONDS) as answer:
                    pages[page] = answer.read()
                break
            except OSError:
                time.sleep(1)


def seconds(text: str, word: str) -> float:
    before, _, after = text.partition(f"\n{word} ")[2].partition("\n")[0].split()
    return float(after) - float(before)


@pytest.mark.soak
@pytest.mark.parametrize(("mode", "cpu", "extra"), [
    ("bare", "24Kf", ""), ("bare", "P5600", " ieee754=relaxed"), ("vz", "P5600", " ieee754=relaxed")])
def test_debian_on_the_network(mode: str, cpu: str, extra: str, tmp_path: Path) -> None:
    print(f"seed {SEED}")
    data, page = Random(SEED).randbytes(DOWNLOAD), Random(SEED + 1).randbytes(UPLOAD)
    taken, pages = bytearray(), dict[str, bytes]()
    forwarded, closed = free_port(), free_port()
    with file_server(data) as port, sink(taken) as upload:
        init = INIT.format(port=port, sink=upload, closed=closed, blocks=UPLOAD >> 16)
        disk = tmp_path / "initrd"
        disk.write_bytes(initramfs("mipsel", init, modules=("virtio_pci", "virtio_net"), files={
            "/leased": LEASED.encode(), "/www/large": page, "/www/cgi-bin/done": DONE.encode()}))
        command = [sys.executable, "-m", "vmm", "run", str(kernel("mipsel").image), "--mode", mode, "--cpu", cpu, "-i",
                   str(disk), "-a", f"console=ttyS0{extra}", "--net", f"user,fwd=tcp:{forwarded}:80", "--json"]
        visitor = threading.Thread(target=visit, args=(forwarded, pages), daemon=True)
        visitor.start()
        ran = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=MOST_SECONDS)
        visitor.join(MOST_SECONDS)
    assert not ran.stderr, ran.stderr
    found = json.loads(ran.stdout)
    text = found["console"].replace("\r\n", "\n")
    print(text[-2500:], found["network"], found["exits"])
    print(f"{mode} {cpu}: {DOWNLOAD >> 20} MiB down in {seconds(text, 'took'):.2f} s, {UPLOAD >> 20} MiB up in "
          f"{seconds(text, 'sent'):.2f} s of the guest's time; processor time of all runs so far "
          f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.0f} s")
    assert found["status"] == 0 and found["ending"]["cause"] == "power-off"
    assert "lease 10.0.2.15/24 router 10.0.2.2 dns 10.0.2.3 for 86400 from 10.0.2.2" in text
    assert "3 packets transmitted, 3 packets received" in text and "1 packets transmitted, 0 packets received" in text
    assert "closed port: status 1" in text
    assert f"whole {md5(data).hexdigest()}" in text and taken == bytes(UPLOAD)
    assert pages == {"large": page, "cgi-bin/done": b"goodbye\n"}
    assert text.count("errors:0 dropped:0") == 2
    assert not {name for name in found["network"] if name.startswith("dropped")} - {
        "dropped: not for the gateway", "dropped: protocol 0x86dd"}
