"""Whatever a client sends: no exception, and exactly one reply to each packet."""
from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vmm.gdbstub.wire import frame

from .client import GDB_13, Client
from .machine import BASE, STORED, Machine

SEEDS = [
    GDB_13, "?", "g", "G00", "p25", "P25=00001080ffffffff", f"m{BASE:x},4", f"M{BASE:x},2:abcd",
    "k", "D", "D;1",
    f"x{BASE:x},10", f"X{BASE:x},2:a}}\x03", f"Z0,{BASE:x},4", f"z0,{BASE:x},4", f"Z2,{STORED:x},8", "c", "s",
    "vCont?", "vCont;c:p9.-1", "vCont;s:p1.1;c:p1.-1", f"vCont;r{BASE:x},{BASE + 9:x}:p1.2", "vCont;t", "bs",
    "bc", "Hgp1.1", "Hc-1", "Hgp2.1", "Tp1.2", "qC", "qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,p1.1",
    "qXfer:threads:read::0,1000", "qXfer:features:read:target.xml:0,200", "qXfer:exec-file:read:1:0,100",
    "vFile:open:2f686f73742e656c66,0,0", "vFile:pread:0,100,0", "vFile:fstat:0", "vFile:close:0", "vKill;1",
    "vAttach;2", "vRun;", "qRcmd,74696d65", f"qCRC:{BASE:x},40", f"qSearch:memory:{BASE:x};40;a",
    "QStartNoAckMode",
    "qSupported:multiprocess+;single-inf-arg+", "qSupported:error-message+", "qAttached:1", "!",
]
ODD = ["", "-1", "p-1.-1", "p0.0", ";", ":", ",", "0" * 40, "f" * 17, "ffffffffffffffff", "}", "\x03",
       "*", "\xff", "zz"]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 4)))
        text = text[:start] + draw(st.sampled_from(ODD)) + text[end:]
    return text


BODIES = st.one_of(mutated(), st.text(st.characters(max_codepoint=255), max_size=30))


@settings(max_examples=300)
@given(st.lists(BODIES, min_size=1, max_size=12))
def test_each_packet_has_exactly_one_reply(bodies: list[str]) -> None:
    client = Client(Machine())
    for body in bodies:
        client.ask(body.replace("#", "?"))


@settings(max_examples=200)
@given(st.lists(st.one_of(BODIES.map(lambda body: frame(body.encode("latin-1"))), st.binary(max_size=40),
                          st.just(b"\x03"), st.just(b"-"))))
def test_no_stream_breaks_it(pieces: list[bytes]) -> None:
    client = Client(Machine())
    for piece in pieces:
        client.send(piece)
    for _ in range(3):
        client.send(b"#00\x03")     # out of any packet that was left open
    assert client.ask("vMustReplyEmpty") == ""
