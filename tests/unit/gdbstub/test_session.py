"""What a conversation remembers: processes, births and ends, interrupts, and what is left when it is over."""
from __future__ import annotations

import pytest

from vmm.gdbstub.target import (
    BreakKind,
    Continue,
    Execed,
    Exited,
    Forked,
    HistoryEnd,
    Killed,
    StopEvent,
    Stopped,
    ThreadId,
    WatchHit,
)
from vmm.gdbstub.wire import frame

from .client import GDB_13, GDB_18, Client
from .machine import BASE, Machine

P11, P12, P21 = ThreadId(1, 1), ThreadId(1, 2), ThreadId(2, 1)


# -- processes ----------------------------------------------------------------------------------------------

def test_the_second_process_is_hidden_until_attached(client: Client, machine: Machine) -> None:
    assert client.ask("qfThreadInfo") == "mp1.1,p1.2"
    assert client.ask("vAttach;2").startswith("T05thread:p2.1;")
    assert machine.log == [("attach", 2)]
    assert client.ask("qfThreadInfo") == "mp1.1,p1.2,p2.1"
    assert client.ask("qC") == "QCp2.1"
    assert client.ask("Hgp0.0") == "OK"     # GDB says so here, and means the process that it attached to
    assert client.ask("qC") == "QCp2.1"


def test_a_client_that_can_take_it_sees_both_at_once(machine: Machine) -> None:
    client = Client(machine, GDB_18)
    assert client.ask("qfThreadInfo") == "mp1.1,p1.2,p2.1"
    assert machine.log == [("attach", 2)]


def test_processes_have_their_own_memory_and_executables(client: Client, machine: Machine) -> None:
    client.ask("vAttach;2")
    client.ask("Hgp2.1")
    assert client.ask(f"M{BASE:x},1:7f") == "OK"
    assert (machine.memory[1][0], machine.memory[2][0]) == (0, 0x7F)
    assert client.ask("qXfer:exec-file:read:2:0,100") == "l/guest.elf"
    assert client.ask("qXfer:exec-file:read::0,100") == "l/guest.elf"


def test_a_process_that_no_action_names_stands_still(client: Client, machine: Machine) -> None:
    client.ask("vAttach;2")
    client.ask("vCont;s:p1.1;c:p1.-1")
    assert machine.thread(P21).pc == BASE + 0x1000


def test_detaching_the_guest_leaves_the_host(client: Client, machine: Machine) -> None:
    client.ask("vAttach;2")
    client.ask(f"Z0,{BASE:x},4")
    assert client.ask("D;2") == "OK"
    assert machine.log[-1] == ("detach", 2)
    assert machine.breaks == []
    assert not client.session.finished
    assert client.ask("qfThreadInfo") == "mp1.1,p1.2"
    assert client.ask("g") == "E16"         # the selected thread went with it
    assert client.ask("Hgp1.1") == "OK"
    assert client.ask("vAttach;2").startswith("T05thread:p2.1;")


def test_killing_the_guest_leaves_the_host(client: Client, machine: Machine) -> None:
    client.ask("vAttach;2")
    assert client.ask("vKill;2") == "OK"
    assert ("kill", 2) in machine.log
    assert client.ask("vAttach;2") == "E16"
    assert client.ask("Tp1.1") == "OK"


def test_after_the_last_process_everything_is_an_error_and_nothing_breaks(client: Client) -> None:
    assert client.ask("k") == "X09"
    for ask in ("g", "p25", f"m{BASE:x},4", "vCont;c", "c", "s", "qC", f"Z0,{BASE:x},4"):
        assert client.ask(ask) == "E16", ask
    assert client.ask("qfThreadInfo") == "l"
    assert client.ask("?") == "W00"


def test_without_multiprocess_there_is_one_process_and_plain_numbers(machine: Machine) -> None:
    client = Client(machine, "qSupported:swbreak+")
    assert client.ask("qfThreadInfo") == "m1,2"
    assert client.ask("Hg2") == "OK"
    assert client.ask("qC") == "QC2"
    assert client.ask("vCont;s:2").startswith("T05thread:2;")
    assert client.ask("vAttach;2") == "E16"


def test_many_threads_take_several_packets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmm.gdbstub.query.THREADS_A_PACKET", 1)
    said = [client.ask(ask) for ask in ("qfThreadInfo", "qsThreadInfo", "qsThreadInfo")]
    assert said == ["mp1.1", "mp1.2", "l"]


# -- events -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("event", "reply"), [
    (Stopped(P11, reason=Forked(P21)), "T05thread:p1.1;core:0;fork:p2.1;"),
    (Stopped(P11, reason=Execed("/host.elf")), "T05thread:p1.1;core:0;exec:2f686f73742e656c66;"),
    (Stopped(P12, 11), "T0bthread:p1.2;core:1;"),
    (Stopped(P11, reason=WatchHit(BreakKind.READ, 0x123)), "T05thread:p1.1;core:0;rwatch:123;"),
    (Stopped(P11, reason=HistoryEnd(oldest=False)), "T05thread:p1.1;core:0;replaylog:end;"),
    (Exited(1, 3), "W03;process:1"),
    (Killed(1, 9), "X09;process:1"),
])
def test_stop_replies(client: Client, machine: Machine, event: StopEvent, reply: str) -> None:
    machine.events.append(event)
    assert client.ask("vCont;c").startswith(reply)


def test_a_stop_selects_its_thread(client: Client, machine: Machine) -> None:
    """GDB sends no Hg after a stop, so else it would be shown the registers of another process."""
    client.ask("vAttach;2")
    client.ask("Hgp1.1")
    machine.events.append(Stopped(P21))
    client.ask("vCont;c:p1.-1;c:p2.-1")
    assert client.ask("p25") == (BASE + 0x1000).to_bytes(8, "little").hex()


def test_a_child_is_attached_when_its_birth_is_told(client: Client, machine: Machine) -> None:
    machine.events.append(Stopped(P11, reason=Forked(P21)))
    client.ask("vCont;c")
    assert ("attach", 2) in machine.log
    assert client.ask("Tp2.1") == "OK"
    assert client.ask("D;2") == "OK"


@pytest.mark.parametrize("event", [Stopped(P11, reason=Forked(P21)), Exited(2)])
def test_what_the_client_does_not_know_about_stops_nothing(machine: Machine, event: StopEvent) -> None:
    client = Client(machine, "qSupported:multiprocess+")
    machine.events.append(event)
    assert client.ask("vCont;c").startswith("T02thread:p1.1;")
    assert machine.log == [("resume", {P11: Continue(), P12: Continue()})] * 2


def test_a_stop_in_a_process_that_is_not_seen_names_one_that_is(client: Client, machine: Machine) -> None:
    machine.events.append(Stopped(P21))
    assert client.ask("vCont;c").startswith("T05thread:p1.1;")


def test_the_last_stop_is_told_again_without_its_event(client: Client, machine: Machine) -> None:
    machine.events.append(Stopped(P12, reason=WatchHit(BreakKind.READ, 0x123)))
    client.ask("vCont;c")
    assert client.ask("?").startswith("T05thread:p1.2;core:1;1d:")


# -- while it runs ------------------------------------------------------------------------------------------

def test_ctrl_c_stops_it_and_a_late_one_does_nothing(client: Client) -> None:
    assert client.send(frame(b"vCont;c")) == b"+"
    assert client.send(b"\x03").startswith(b"$T02thread:p1.1;")
    assert client.send(b"\x03") == b""


def test_a_packet_while_it_runs_stops_it_and_is_answered_after_the_stop(client: Client) -> None:
    client.send(frame(b"vCont;c"))
    said = client.send(frame(b"qC"))
    assert said.startswith(b"$T02thread:p1.1;")
    assert said.endswith(b"+" + frame(b"QCp1.1"))


def test_an_interrupt_survives_an_event_that_is_not_told(machine: Machine) -> None:
    client = Client(machine, "qSupported:multiprocess+")
    client.send(frame(b"vCont;c"))
    machine.events.append(Exited(2))
    assert client.send(b"\x03").startswith(b"$T02")


def test_console_output_is_shown_without_terminal_escapes(client: Client, machine: Machine) -> None:
    machine.said = "boot\x1b[31m\u00e9\r\n"
    assert client.replies("vCont;s:p1.1")[0] == "O" + "boot[31m\u00e9\n".encode().hex()


# -- the end ------------------------------------------------------------------------------------------------

def test_nothing_outlives_the_client(client: Client, machine: Machine) -> None:
    client.ask(f"Z0,{BASE:x},4")
    client.ask("vAttach;2")
    client.ask(f"Z1,{BASE:x},4")
    client.session.close()
    assert machine.breaks == []
    assert machine.log[-1] == ("detach", 2)
    assert Client(machine, GDB_13).ask("qfThreadInfo") == "mp1.1,p1.2"
