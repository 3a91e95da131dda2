"""virtio-net: a network card, a queue for each direction.  (VIRTIO 1.2, 5.1)

No offloads: each buffer is one whole frame.  Invariant: frames stay in order; a frame for which the guest has no buffer
waits, and when too many wait, new ones are lost, as on a wire.
"""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct
from typing import Protocol

from vmm.guest.devices.virtio.queue import Virtqueue
from vmm.guest.devices.virtio.transport import VirtioDevice
from vmm.guest.devices.window import Window, at_most, copied

RECEIVE, SEND = 0, 1                                        # queues
HAS_MAC, HAS_STATUS = 1 << 5, 1 << 16
LINK_UP = 1
CONFIG = Struct("<6sH4x")
HEADER = Struct("<BBHHHHH")                                 # before each frame; the last word counts its buffers
PLAIN_HEADER = HEADER.pack(0, 0, 0, 0, 0, 0, 1)
LENGTH = Struct("<H")
FRAME = range(14, 1519)                                     # bytes: from a bare header to a full frame with a VLAN's tag
MOST_WAITING = 1 << 18


class Link(Protocol):
    def send(self, frame: bytes, /) -> None: ...

    def poll(self) -> Iterable[bytes]: ...


class VirtioNet(VirtioDevice):
    regs = Window(span=CONFIG.size, width=1)
    kind, class_code = 1, 0x02_00_00
    queue_sizes = (256, 256)
    features = HAS_MAC | HAS_STATUS

    @dataclass(slots=True)
    class State:
        started: bool = False
        waiting: bytearray = field(default_factory=bytearray, metadata=at_most(MOST_WAITING))  # each after its length

    def __init__(self, mac: bytes, link: Link) -> None:
        super().__init__()
        self.mac, self._link = mac, link
        self.state = self.State()

    @regs.read(0, count=CONFIG.size, step=1)
    def configuration(self, at: int) -> int:
        return CONFIG.pack(self.mac, LINK_UP)[at]

    # -- frames --------------------------------------------------------------------------------------------------
    def receive(self, frames: Iterable[bytes]) -> None:
        """From the network; what comes while no driver listens is lost."""
        for frame in frames:
            room = MOST_WAITING - len(self.state.waiting)
            if self.state.started and len(frame) in FRAME and len(frame) + LENGTH.size <= room:
                self.state.waiting += LENGTH.pack(len(frame)) + frame
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
            size = LENGTH.size + LENGTH.unpack_from(waiting)[0]
            data = PLAIN_HEADER + waiting[LENGTH.size:size]
            del waiting[:size]
            fits = len(data) <= chain.writable              # else the frame is lost
            queue.give_back(chain, chain.write(0, data) if fits else 0)

    def _send(self, queue: Virtqueue) -> None:
        while (chain := queue.take()) is not None:
            size = chain.readable - HEADER.size
            if size in FRAME:
                self._link.send(chain.read(HEADER.size, size))
            queue.give_back(chain)
        self.receive(self._link.poll())                     # once, so that one answer can be to several frames

    # -- state -----------------------------------------------------------------------------------------------------
    def start(self, features: int) -> None:
        self.state.started = True

    def reset(self) -> None:
        self.state = self.State()

    def save(self) -> State:
        return copied(self.state)

    def restore(self, state: State) -> None:
        self.state = copied(state)
