"""Each packet against the fake machine: request | reply, for a client as GDB 13 introduces itself."""
from __future__ import annotations

import re
import zlib

import pytest

from vmm.gdbstub.packets import Shape, ThreadPattern
from vmm.gdbstub.target import BreakKind, Continue, RangeStep, Step, ThreadId

from .client import GDB_18, Client, plain
from .machine import BASE, EXPEDITED, NUMBERS, PC, SIZE, STORED, WIDTH, Machine, Minimal, description

P11, P12, P21 = ThreadId(1, 1), ThreadId(1, 2), ThreadId(2, 1)

# fmt: off
CASES = """
!                                    | OK
qC                                   | QCp1.1
qAttached                            | 1
qAttached:1                          | 1
qSymbol::                            | OK
vMustReplyEmpty                      |
vCont?                               | vCont;c;C;s;S;r;t
qTStatus                             |
QNonStop:1                           |
Hgp1.1                               | OK
Hgp0.0                               | OK
Hg-1                                 | OK
Hc-1                                 | OK
Hcp1.-1                              | OK
Hgp1.7                               | E16
Hgp2.1                               | E16
Hzp1.1                               | E16
Hg                                   | E16
Tp1.2                                | OK
Tp1.3                                | E16
Tp2.1                                | E16
qfThreadInfo                         | mp1.1,p1.2
qsThreadInfo                         | l
qThreadExtraInfo,p1.1                | 68637075302065787472612026202031
qThreadExtraInfo,p9.1                | E16
p25                                  | 00001080ffffffff
p46                                  | 46000000
p47                                  | xxxxxxxx
p48                                  | E16
p                                    | E16
pzz                                  | E16
P8=0807060504030201                  | OK
P8=08                                | E16
P8=080706050403020                   | E16
P99=00                               | E16
P8                                   | E16
G00                                  | E16
m{base},4                            | 00000000
m{base},0                            |
m0,4                                 | E0e
m{base}                              | E16
m{base},                             | E16
m,4                                  | E16
m-1,4                                | E16
m10000000000000000,4                 | E16
m00000000000000000{base},1           | 00
M{base},2:abcd                       | OK
M{base},4:abcd                       | E16
M{base},1:abc                        | E16
M{base},2:zzzz                       | E16
M{base},2                            | E16
M0,1:00                              | E0e
X{base},0:                           | OK
X{base},2:ab                         | OK
X{base},3:ab                         | E16
Z0,{base},4                          | OK
Z1,{base},4                          | OK
Z2,{base},4                          | OK
Z3,{base},4                          | OK
Z4,{base},4                          | OK
Z5,{base},4                          |
Z9,{base},4                          |
Z0,{base}                            | E16
z0,{base},4                          | OK
z7,{base},4                          |
vCont;c:p9.-1                        | E16
vCont;c:p2.1                         | E16
vCont;t                              | E16
vCont;q                              | E16
vCont;c:                             | E16
vCont;                               | E16
vCont;r1                             | E16
vAttach;9                            | E16
vAttach;1                            | E16
vAttach;                             | E16
D;2                                  | E16
D;1                                  | OK
D                                    | OK
vKill;2                              | E16
vKill;1                              | OK
k                                    | X09
vRun;                                | E16
R00                                  |
qCRC:{base},0                        | Cffffffff
qCRC:{base},10000000000              | E16
qCRC:0,4                             | E0e
qSearch:memory:{base};100;           | E16
qSearch:memory:{base};100;q          | 0
qSearch:memory:{base};100000;q       | E0e
qXfer:features:read:../../etc/passwd:0,100 | E16
qXfer:features:read:target.xml:ffffff,100  | E16
qXfer:features:write:target.xml:0,100      |
qXfer:exec-file:read:1:0,100         | l/host.elf
qXfer:exec-file:read:2:0,100         | E16
qXfer:exec-file:read::0,5            | m/host
vFile:setfs:0                        | F0
vFile:open:6a7573742070726f62696e67,0,1c0  | F-1,2
vFile:open:2f6574632f706173737764,0,0      | F-1,2
vFile:open:2f686f73742e656c66,0,0    | F0
vFile:open:2f686f73742e656c66,1,0    | F-1,1e
vFile:open:2f6                       | E16
vFile:pread:3,10,0                   | F-1,9
vFile:close:0                        | F-1,9
vFile:fstat:0                        | F-1,9
vFile:readlink:2f686f73742e656c66    | F-1,16
vFile:unlink:2f686f73742e656c66      | F-1,1e
vFile:pwrite:0,0,ab                  | F-1,1e
vFile:rename:00                      |
qRcmd,74696d6                        | E16
bs                                   | T05thread:p1.1;core:0;replaylog:begin;
bc                                   | T05thread:p1.1;core:0;replaylog:begin;
"""
# fmt: on


def rows() -> list[tuple[str, str]]:
    cells = [line.partition("|") for line in CASES.strip().splitlines()]
    return [(ask.strip().replace("{base}", f"{BASE:x}"), reply.strip()) for ask, _, reply in cells]


@pytest.mark.parametrize(("ask", "reply"), rows())
def test_reply(client: Client, ask: str, reply: str) -> None:
    got = client.ask(ask)
    if ask in ("bs", "bc"):
        got = got[:len(reply)]
    assert got == reply


# -- the table itself ---------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "pattern"), [
    ("p1.2", (1, 2)), ("p1", (1, -1)), ("p-1", (-1, -1)), ("p1.-1", (1, -1)), ("p0.0", (0, 0)),
    ("-1", (None, -1)), ("0", (None, 0)), ("1f", (None, 0x1F)),
    ("p1.", None), ("p", None), ("1.2", None), ("-2", None), ("", None), ("pp1.1", None),
])
def test_thread_ids(text: str, pattern: tuple[int | None, int] | None) -> None:
    found = Shape.parse("{thread:thread}").read(text)
    assert found == (pattern and {"thread": ThreadPattern(*pattern)})


def test_features_are_those_of_the_rows_that_the_target_serves(machine: Machine) -> None:
    said = Client(machine, hello="").ask("qSupported:multiprocess+").split(";")
    assert said[0] == "PacketSize=20000"
    assert {"multiprocess+", "QStartNoAckMode+", "qXfer:features:read+", "qXfer:threads:read+",
            "ReverseStep+",
            "qXfer:exec-file:read+", "binary-upload+", "vContSupported+", "swbreak+"} <= set(said)
    least = Client(Minimal(), hello="").ask("qSupported").split(";")
    assert "QStartNoAckMode+" in least
    assert not {"qXfer:features:read+", "qXfer:exec-file:read+", "ReverseStep+"} & set(least)


@pytest.mark.parametrize("ask", [
    "Z0,0,4", "Z", "bs", "qRcmd,00", "vAttach;2", "vKill;1", "k", "vFile:open:00,0,0", "vFile:open:",
    "qXfer:features:read:target.xml:0,10",
])
def test_what_the_target_cannot_do_is_unknown(ask: str) -> None:
    assert Client(Minimal()).ask(ask) == ""


def test_a_young_client_is_told_why(machine: Machine) -> None:
    client = Client(machine, GDB_18)
    assert client.ask("m0,4") == "E.nothing mapped at 0x0"
    assert client.ask("m") == "E.malformed packet; expected m<address>,<size>"
    assert client.ask("vCont;$}*") == "E.unknown action '???'; vCont? lists them"


# -- registers and memory -----------------------------------------------------------------------------------

def test_all_registers_come_in_the_order_of_their_numbers(client: Client, machine: Machine) -> None:
    said = client.ask("g")
    assert len(said) == 2 * sum(WIDTH.get(number, 8) for number in NUMBERS)
    assert said[:32] == "0000000000000000" "0100000000000000"
    assert said.endswith("xxxxxxxx")


def test_registers_are_written(client: Client, machine: Machine) -> None:
    assert client.ask("P8=0807060504030201") == "OK"
    assert machine.thread(P11).registers[8] == bytes(range(8, 0, -1))
    everything = client.ask("g").replace("xxxxxxxx", "77777777")
    assert client.ask("Hgp1.2") == client.ask("G" + everything) == "OK"
    assert machine.thread(P12).registers[8] == bytes(range(8, 0, -1))
    assert machine.thread(P12).registers[71] == b"wwww"


@pytest.mark.parametrize("data", [b"#$}*\x03\x00", bytes(range(256))])
def test_binary_memory_comes_and_goes(client: Client, data: bytes) -> None:
    escaped = b"".join(b"}%c" % (byte ^ 0x20) if byte in b"#$}*" else b"%c" % byte for byte in data)
    assert client.ask(b"X%x,%x:" % (BASE, len(data)) + escaped) == "OK"
    assert client.ask(f"m{BASE:x},{len(data):x}") == data.hex()
    assert plain(client.ask(f"x{BASE:x},{len(data):x}")) == b"b" + data


def test_a_read_longer_than_a_packet_gives_its_beginning(client: Client) -> None:
    assert len(client.ask(f"m{BASE:x},{SIZE:x}")) == 2 * SIZE
    assert client.ask("m0,ffffffffffffffff") == "E0e"


def test_checksum_is_gdbs(client: Client, machine: Machine) -> None:
    def slow(data: bytes) -> int:
        crc = 0xFFFF_FFFF
        for byte in data:
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C1_1DB7 if crc >> 31 else 0)) & 0xFFFF_FFFF
        return crc

    machine.memory[1][:9] = b"123456789"
    assert client.ask(f"qCRC:{BASE:x},9") == f"C{slow(b'123456789'):08x}"
    assert slow(b"123456789") == 0x0376E6E7     # the published check value of CRC-32/MPEG-2
    assert zlib.crc32(b"123456789") != 0x0376E6E7


@pytest.mark.parametrize("at", [0, 5, 0xFFC0])
def test_search_finds_the_first(client: Client, machine: Machine, at: int) -> None:
    machine.memory[1][at:at + 4] = b"#}ok"
    assert client.ask(f"qSearch:memory:{BASE:x};{SIZE:x};}}\x03}}]ok") == f"1,{BASE + at:x}"


def test_search_finds_what_lies_across_two_pieces(client: Client, machine: Machine,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmm.gdbstub.memory.PIECE", 16)
    machine.memory[1][14:19] = b"abcde"
    assert client.ask(f"qSearch:memory:{BASE:x};100;abcde") == f"1,{BASE + 14:x}"
    assert client.ask(f"qSearch:memory:{BASE:x};12;abcde") == "0"


# -- objects and files --------------------------------------------------------------------------------------

def test_an_object_is_read_in_pieces(client: Client) -> None:
    text, last = b"", False
    while not last:
        said = client.ask(f"qXfer:features:read:target.xml:{len(text):x},200")
        text, last = text + plain(said[1:]), said[0] == "l"
    assert text.decode() == description()


def test_thread_names_cannot_break_the_document(client: Client) -> None:
    client.ask("vAttach;2")
    said = plain(client.ask("qXfer:threads:read::0,1000")).decode()
    assert '<thread id="p1.1" core="0" name="hcpu0">extra &amp;  1</thread>' in said
    assert '<thread id="p2.1" core="0" name="vcpu&lt;0&gt;">extra &amp;  2</thread>' in said


def test_a_file_is_opened_measured_read_and_closed(client: Client, machine: Machine) -> None:
    data = machine.tree["/host.elf"]
    assert client.ask("vFile:open:" + b"/host.elf".hex() + ",0,0") == "F0"
    said = plain(client.ask("vFile:fstat:0"))
    assert said[:4] == b"F40;"
    assert len(said) == 4 + 64
    assert int.from_bytes(said[4 + 28:4 + 36], "big") == len(data)
    assert plain(client.ask("vFile:pread:0,1000,4")) == b"F%x;" % (len(data) - 4) + data[4:]
    assert client.ask("vFile:pread:0,1000,ffff") == "F0;"
    assert client.ask("vFile:close:0") == "F0"
    assert client.ask("vFile:close:0") == "F-1,9"


def test_open_files_have_a_limit(client: Client) -> None:
    said = [client.ask("vFile:open:" + b"/host.elf".hex() + ",0,0") for _ in range(65)]
    assert said[63:] == ["F3f", "F-1,18"]


def test_monitor_shows_text_and_refusals(client: Client) -> None:
    assert client.replies("qRcmd," + b"time".hex()) == ["O" + b"42 instructions\n".hex(), "OK"]
    refusal = b"no command 'rm -rf'; there is: time\n"
    assert client.replies("qRcmd," + b"rm -rf".hex()) == ["O" + refusal.hex(), "OK"]


def test_breakpoints_are_set_once_and_know_their_process(client: Client, machine: Machine) -> None:
    for _ in range(2):
        assert client.ask(f"Z0,{BASE:x},4") == "OK"
    client.ask("vAttach;2")
    assert client.ask(f"Z2,{STORED:x},8") == "OK"
    assert machine.breaks == [(BreakKind.SOFTWARE, BASE, 4, 1), (BreakKind.WRITE, STORED, 8, 2)]
    assert client.ask("Hgp1.1") == client.ask(f"z0,{BASE:x},4") == "OK"
    assert machine.breaks == [(BreakKind.WRITE, STORED, 8, 2)]


def test_the_first_question(client: Client) -> None:
    registers = "1d:1d00000000000000;1f:1f00000000000000;25:00001080ffffffff;"
    assert client.ask("?") == f"T05thread:p1.1;core:0;{registers}"


# -- going on -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("ask", "actions"), [
    ("vCont;c", {P11: Continue(), P12: Continue()}),
    ("vCont;C02:p1.2", {P12: Continue(2)}),
    ("vCont;s:p1.1;c:p1.-1", {P11: Step(), P12: Continue()}),
    ("vCont;S05:p1.2;t", {P12: Step(5)}),
    ("vCont;t:p1.1;c", {P12: Continue()}),
    (f"vCont;r{BASE:x},{BASE + 16:x}:p1.1", {P11: RangeStep(BASE, BASE + 16)}),
    ("c", {P11: Continue(), P12: Continue()}),
    ("C05", {P11: Continue(5), P12: Continue(5)}),
    ("s", {P11: Step()}),
    ("S05", {P11: Step(5)}),
])
def test_actions(client: Client, machine: Machine, ask: str, actions: dict[ThreadId, object]) -> None:
    assert client.ask(ask)[:3] in ("T05", "T02")
    assert ("resume", actions) in machine.log


def test_old_step_obeys_hc(client: Client, machine: Machine) -> None:
    client.ask("Hcp1.2")
    assert "thread:p1.2;" in client.ask("s")
    assert machine.log == [("resume", {P12: Step()})]


def test_a_step_is_one_instruction_and_brings_registers(client: Client, machine: Machine) -> None:
    said = client.ask("vCont;s:p1.1")
    assert said.startswith("T05thread:p1.1;core:0;")
    assert machine.thread(P11).pc == BASE + 4
    assert machine.thread(P12).pc == BASE
    assert f"{PC:02x}:{(BASE + 4).to_bytes(8, 'little').hex()};" in said
    assert len(re.findall(r"[0-9a-f]{2}:[0-9a-f]{16};", said)) == len(EXPEDITED)


def test_a_range_is_one_packet(client: Client, machine: Machine) -> None:
    client.ask(f"vCont;r{BASE:x},{BASE + 40:x}:p1.1")
    assert machine.thread(P11).pc == BASE + 40


@pytest.mark.parametrize(("kind", "key"), [(0, "swbreak:;"), (1, "hwbreak:;")])
def test_a_breakpoint_names_itself(client: Client, kind: int, key: str) -> None:
    client.ask(f"Z{kind},{BASE + 0x100:x},4")
    assert key in client.ask("vCont;c")


def test_a_client_that_does_not_know_a_reason_is_not_told(machine: Machine) -> None:
    client = Client(machine, "qSupported:multiprocess+")
    client.ask(f"Z0,{BASE + 0x100:x},4")
    assert "swbreak" not in client.ask("vCont;c")


@pytest.mark.parametrize(("kind", "key"), [(2, "watch"), (4, "awatch")])
def test_a_watchpoint_gives_the_address(client: Client, kind: int, key: str) -> None:
    client.ask(f"Z{kind},{STORED:x},8")
    assert f";{key}:{STORED:x};" in client.ask("vCont;c")
