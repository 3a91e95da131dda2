"""Questions about the stub and about what exists: features, processes, threads, descriptions.

GDB manual, appendix E.4 "General Query Packets" and E.6 onward for the qXfer objects.
"""
from __future__ import annotations

from xml.sax.saxutils import escape as xml_text
from xml.sax.saxutils import quoteattr

from vmm.gdbstub.packets import Packets, ThreadPattern
from vmm.gdbstub.session import Session, printable
from vmm.gdbstub.target import Described, Files, Target, TargetError, Thread
from vmm.gdbstub.wire import PACKET_SIZE, fitting

packets = Packets()

THREADS_A_PACKET = 256
STUB_FEATURES = ("multiprocess+", "swbreak+", "hwbreak+", "fork-events+", "exec-events+", "no-resumed+",
                 "error-message+")
"""Those that no single packet stands for."""


@packets.on("qSupported{features:text}", needs=Target)
def supported(session: Session, target: Target, features: str) -> str:
    names = features.removeprefix(":").split(";")
    session.client = frozenset(name[:-1] for name in names if name.endswith("+"))
    if "single-inf-arg" in session.client:      # GDB 18 asks for each inferior's description by itself
        for process in target.processes():
            if process.pid not in session.visible:
                session.attach(process.pid)
    own = session.packets.features(session.offered)
    return ";".join([f"PacketSize={PACKET_SIZE:x}", *STUB_FEATURES, *own])


@packets.on("QStartNoAckMode", needs=Target, feature="QStartNoAckMode+")
def no_acknowledgements(session: Session, target: Target) -> str:
    session.no_ack = True
    return "OK"


@packets.on("!", needs=Target)
def extended_mode(session: Session, target: Target) -> str:
    return "OK"


@packets.on("qSymbol:{ignored:text}", needs=Target)
def no_symbols_wanted(session: Session, target: Target, ignored: str) -> str:
    return "OK"


@packets.on("qAttached", needs=Target)
@packets.on("qAttached:{pid:hex}", needs=Target)
def attached(session: Session, target: Target, pid: int = 0) -> str:
    """Always to something that was there before: GDB then detaches when it quits, and does not kill."""
    return "1"


# -- threads ----------------------------------------------------------------------------------------------

@packets.on("qC", needs=Target)
def current_thread(session: Session, target: Target) -> str:
    return "QC" + session.thread_text(session.current())


@packets.on("H{which:letter}{thread:thread}", needs=Target)
def select_thread(session: Session, target: Target, which: str, thread: ThreadPattern) -> str:
    if which not in "gc":
        raise TargetError(f"H{which} selects for no operation; there are Hg and Hc")
    if thread.tid > 0 or (thread.pid or 0) > 0:
        _the_thread(session, thread)
    if which == "g":
        session.general = thread
    else:
        session.control = thread
    return "OK"


@packets.on("T{thread:thread}", needs=Target)
def is_alive(session: Session, target: Target, thread: ThreadPattern) -> str:
    _the_thread(session, thread)
    return "OK"


@packets.on("qfThreadInfo", needs=Target)
def first_threads(session: Session, target: Target) -> str:
    session.thread_list = [session.thread_text(thread.id) for thread in session.threads()]
    return more_threads(session, target)


@packets.on("qsThreadInfo", needs=Target)
def more_threads(session: Session, target: Target) -> str:
    now, session.thread_list = session.thread_list[:THREADS_A_PACKET], session.thread_list[THREADS_A_PACKET:]
    return "m" + ",".join(now) if now else "l"


@packets.on("qThreadExtraInfo,{thread:thread}", needs=Target)
def thread_extra(session: Session, target: Target, thread: ThreadPattern) -> str:
    described = _the_thread(session, thread)
    return printable(" ".join(filter(None, (described.name, described.extra))) or "-").encode().hex()


def _the_thread(session: Session, pattern: ThreadPattern) -> Thread:
    found = session.matching(pattern)
    if not found:
        raise TargetError("no such thread; qfThreadInfo lists those that exist")
    return next(thread for thread in session.threads() if thread.id == found[0])


# -- objects ----------------------------------------------------------------------------------------------

def window(data: bytes, offset: int, size: int) -> str:
    """The piece of an object that one qXfer asks for; "l" marks the last."""
    if offset > len(data):
        raise TargetError(f"offset {offset:#x} is behind the end; the object has {len(data):#x} bytes")
    escaped, taken = fitting(data[offset:offset + size], PACKET_SIZE - 1)
    return ("l" if offset + taken >= len(data) else "m") + escaped.decode("latin-1")


@packets.on("qXfer:threads:read::{offset:hex},{size:hex}", needs=Target, feature="qXfer:threads:read+")
def threads_document(session: Session, target: Target, offset: int, size: int) -> str:
    lines = "".join(_thread_element(session, thread) for thread in session.threads())
    return window(f"<threads>\n{lines}</threads>\n".encode(), offset, size)


def _thread_element(session: Session, thread: Thread) -> str:
    core = "" if thread.core is None else f' core="{thread.core}"'
    name = f" name={quoteattr(printable(thread.name))}" if thread.name else ""
    text = xml_text(printable(thread.extra))
    return f'<thread id="{session.thread_text(thread.id)}"{core}{name}>{text}</thread>\n'


@packets.on("qXfer:features:read:{annex:name}:{offset:hex},{size:hex}", needs=Described,
            feature="qXfer:features:read+")
def description(session: Session, target: Described, annex: str, offset: int, size: int) -> str:
    if annex != "target.xml":
        raise TargetError(f"no description {annex!r}; everything is in target.xml")
    return window(target.description(session.current().pid).encode(), offset, size)


@packets.on("qXfer:exec-file:read:{annex:name}:{offset:hex},{size:hex}", needs=Files,
            feature="qXfer:exec-file:read+")
def exec_file(session: Session, target: Files, annex: str, offset: int, size: int) -> str:
    """``annex`` is the process, in hexadecimal, or empty for the current one."""
    wanted = annex or f"{session.current().pid:x}"
    for process in session.processes():
        if f"{process.pid:x}" == wanted.lower().lstrip("0") and process.executable:
            return window(process.executable.encode(), offset, size)
    raise TargetError(f"process {wanted!r} has no executable")
