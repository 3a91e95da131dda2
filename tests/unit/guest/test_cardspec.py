"""``--device``: what its words mean, what is refused, and a second console that fails."""
from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from tests.support.board import World
from vmm.errors import ConfigError
from vmm.guest.cards import ConsoleCard, EntropyCard
from vmm.guest.cardspec import SideConsole, card
from vmm.guest.console import ConsoleError, MemoryConsole, StreamConsole


def quiet(text: str) -> None:
    raise AssertionError(text)


def test_entropy_with_and_without_a_seed() -> None:
    assert card("virtio-rng", quiet) == EntropyCard(0)
    assert card("virtio-rng,seed=17", quiet) == EntropyCard(17)
    assert card("virtio-rng,seed=0xffffffffffffffff", quiet) == EntropyCard((1 << 64) - 1)


def test_a_console_in_a_file_and_on_a_pseudoterminal(tmp_path: Path) -> None:
    told: list[str] = []
    for spec in (f"virtio-console,file:{tmp_path / 'said'}", "virtio-console,pty"):
        made = card(spec, told.append)
        assert isinstance(made, ConsoleCard)
        for byte in b"hello\n":
            made.console.put(byte)
        made.console.close()
    assert (tmp_path / "said").read_bytes() == b"hello\n"
    assert len(told) == 1 and told[0].startswith("--device virtio-console,pty: /dev/")


@pytest.mark.parametrize("spec, says", [
    ("virtio-gpu", "--device virtio-gpu: there is no device 'virtio-gpu'; choose from virtio-rng, virtio-console"),
    ("", "--device : there is no device ''; choose from virtio-rng, virtio-console"),
    ("virtio-rng,", "--device virtio-rng,: '' is no seed; give seed=N"),
    ("virtio-rng,seed=x", "'seed=x' is no seed"),
    ("virtio-rng,seed=0x10000000000000000", "is no seed"),
    ("virtio-rng,seed=-1", "is no seed"),
    ("virtio-console", "--device virtio-console: a second console needs a place of its own"),
    ("virtio-console,stdio", "a second console needs a place of its own"),
    ("virtio-console,nowhere", "--device virtio-console nowhere: no such console"),
    ("virtio-console,file:/no/such/folder/x", "--device virtio-console file:/no/such/folder/x: cannot be opened"),
])
def test_what_is_refused(spec: str, says: str) -> None:
    with pytest.raises(ConfigError) as found:
        card(spec, quiet)
    assert says in str(found.value)


class Gone(MemoryConsole):
    closed = 0

    def put(self, byte: int) -> None:
        raise ConsoleError(f"its peer is gone: {os.strerror(errno.EPIPE)}", errno.EPIPE)

    def flush(self) -> None:
        self.put(0)

    def close(self) -> None:
        self.closed += 1
        self.put(0)


def test_a_second_console_that_fails_is_told_of_once() -> None:
    told: list[str] = []
    gone = Gone()
    console = SideConsole(gone, told.append)
    for byte in b"nobody hears this":
        console.put(byte)
    console.flush()
    console.close()
    assert told == ["its peer is gone: Broken pipe; the run goes on without it"] and gone.closed == 1


def test_a_guest_waits_for_who_may_type() -> None:
    reading, writing = os.pipe()
    console = SideConsole(StreamConsole("pipe", io.BytesIO(), reading), quiet)
    keys = ConsoleCard(console).plug(World().outside).source
    assert keys is not None and keys.awaits and keys.fileno() == reading
    os.close(writing)
    assert console.poll() == b"" and not keys.awaits and keys.fileno() is None
    os.close(reading)
    assert ConsoleCard(MemoryConsole()).plug(World().outside).source is None


def test_a_second_console_passes_everything_on() -> None:
    inner = MemoryConsole()
    console = SideConsole(inner, quiet)
    assert console.keys_ended and console.descriptor is None
    inner.type(b"keys")
    console.put(65)
    console.flush()
    console.close()
    assert inner.output == b"A" and console.poll() == b"keys"
