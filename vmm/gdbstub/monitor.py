"""GDB's ``monitor`` command: qRcmd (GDB manual, appendix E.4)."""
from __future__ import annotations

from vmm.gdbstub.packets import Packets
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import Monitoring, TargetError

packets = Packets()


@packets.on("qRcmd,{command:hextext}", needs=Monitoring)
def monitor(session: Session, target: Monitoring, command: str) -> str:
    """A refusal is text for the user too: GDB shows no more of an error than its number."""
    try:
        text = target.monitor(command)
    except TargetError as refusal:
        text = f"{refusal}\n"
    session.say(text)
    return "OK"
