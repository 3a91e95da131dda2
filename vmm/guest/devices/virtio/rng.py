"""virtio-rng: entropy, of which there is none in a machine whose runs are all alike.  (VIRTIO 1.2, 5.4)

What it gives is a stream of BLAKE2b digests of a counter, keyed by a seed: another seed, another stream; the same seed,
the same run.
"""
from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from vmm.guest.devices.virtio.queue import Virtqueue
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.devices.window import Window, bits, copied

BLOCK = 64                                                  # bytes of a digest
AT_ONCE = 4096                                              # the most for one request


class VirtioRng(VirtioDevice):
    regs = Window(span=4, width=1)                          # it has no configuration
    kind, class_code = 4, 0xFF_00_00
    queue_sizes = (64,)

    @dataclass(slots=True)
    class State:
        served: int = bits(64)                              # bytes

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self._key = seed.to_bytes(8, "little")
        self.state = self.State()

    def serve(self, number: int, queue: Virtqueue) -> None:
        while (chain := queue.take()) is not None:
            queue.give_back(chain, chain.write(0, self._take(min(chain.writable, AT_ONCE))))

    def _take(self, size: int) -> bytes:
        taken = self.stream(self.state.served, size)
        self.state.served = self.state.served + size & (1 << 64) - 1
        return taken

    def stream(self, at: int, size: int) -> bytes:
        """What a guest gets from byte ``at`` on."""
        first, skip = divmod(at, BLOCK)
        blocks = range(first, first + -(-(skip + size) // BLOCK))
        return b"".join(map(self._block, blocks))[skip:skip + size]

    def _block(self, number: int) -> bytes:
        return blake2b(number.to_bytes(8, "little"), digest_size=BLOCK, key=self._key).digest()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
