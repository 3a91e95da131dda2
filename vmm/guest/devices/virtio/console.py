"""virtio-console: one port, a queue for each direction.  (VIRTIO 1.2, 5.3)

Invariant: keys reach the guest in order, and none is taken for which there is no room.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from vmm.guest.devices.virtio.queue import Malformed, Virtqueue
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.devices.window import Window, at_most, copied

RECEIVE, SEND = 0, 1                                        # queues
MOST_WAITING = 1 << 16
AT_ONCE, MOST_SENT = 1 << 12, 1 << 20


class VirtioConsole(VirtioDevice):
    regs = Window(span=12, width=1)                         # size and number of ports, which it does not offer to tell
    kind, class_code = 3, 0x07_80_00
    queue_sizes = (64, 64)

    @dataclass(slots=True)
    class State:
        waiting: bytearray = field(default_factory=bytearray, metadata=at_most(MOST_WAITING))

    def __init__(self, transmit: Callable[[int], None]) -> None:
        super().__init__()
        self._transmit = transmit
        self.state = self.State()

    @property
    def room(self) -> int:
        """How many keys it takes."""
        return MOST_WAITING - len(self.state.waiting)

    def receive(self, keys: bytes) -> None:
        self.state.waiting += keys[:self.room]
        if self.state.waiting:
            self.wake(RECEIVE)

    def serve(self, number: int, queue: Virtqueue) -> None:
        if number == RECEIVE:
            self._deliver(queue)
        else:
            self._send(queue)

    def _deliver(self, queue: Virtqueue) -> None:
        waiting = self.state.waiting
        while waiting and (chain := queue.take()) is not None:
            written = chain.write(0, bytes(waiting[:AT_ONCE]))
            del waiting[:written]
            queue.give_back(chain, written)

    def _send(self, queue: Virtqueue) -> None:
        while (chain := queue.take()) is not None:
            if chain.readable > MOST_SENT:
                raise Malformed(f"{chain.readable} bytes for a console at once")
            for at in range(0, chain.readable, AT_ONCE):
                for byte in chain.read(at, AT_ONCE):
                    self._transmit(byte)
            queue.give_back(chain)

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
