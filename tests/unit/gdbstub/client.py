"""A debugger's side of a connection, without sockets."""
from __future__ import annotations

import re

from vmm.gdbstub.connection import Connection
from vmm.gdbstub.protocol import PROTOCOL
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import Target
from vmm.gdbstub.wire import frame, unescape

GDB_13 = ("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;exec-events+;"
          "vContSupported+;QThreadEvents+;no-resumed+;memory-tagging+;xmlRegisters=i386")
GDB_18 = GDB_13 + ";QThreadOptions+;single-inf-arg+;error-message+;multi-wp-addr+"

SLICES = 20     # that long the fake machine may run before it is interrupted
_FRAME = re.compile(rb"\$([^#]*)#([0-9a-f]{2})", re.DOTALL)


class Client:
    def __init__(self, target: Target, hello: str = GDB_13) -> None:
        self.connection = Connection(Session(target, PROTOCOL))
        self.session = self.connection.session
        if hello:
            self.ask(hello)

    def send(self, data: bytes) -> bytes:
        """Raw bytes out; whatever comes back, until nothing moves or the target has run for a while."""
        self.connection.receive(data)
        for _ in range(SLICES):
            if not self.connection.busy:
                break
            self.connection.step()
        output = bytes(self.connection.output)
        self.connection.output.clear()
        return output

    def replies(self, body: str | bytes) -> list[str]:
        """What one packet brings, console output included; a target that runs on is interrupted."""
        output = self.send(frame(body.encode("latin-1") if isinstance(body, str) else body))
        if self.session.running:
            output += self.send(b"\x03")
        found = _FRAME.findall(output)
        assert all(int(tail, 16) == sum(inside) & 0xFF for inside, tail in found), output
        return [inside.decode("latin-1") for inside, _ in found]

    def ask(self, body: str | bytes) -> str:
        """The one reply."""
        found = [reply for reply in self.replies(body) if not re.fullmatch("O(?:[0-9a-f]{2})+", reply)]
        assert len(found) == 1, found
        return found[0]


def plain(reply: str) -> bytes:
    return unescape(reply.encode("latin-1"))
