"""Going on: vCont, its older forms, going back, and "?" (GDB manual, appendix E.2 and E.3).

All-stop: a resume gets one stop reply, and then everything stands.  A thread that no action names does not
run; GDB relies on it (``vCont;s:p1.1;c:p1.-1`` leaves process 2 where it is).
"""
from __future__ import annotations

from collections.abc import Callable

from vmm.gdbstub.packets import Packets, Shape, ThreadPattern
from vmm.gdbstub.session import Session
from vmm.gdbstub.target import (
    Action,
    Continue,
    RangeStep,
    Reversing,
    Step,
    Stopped,
    Target,
    TargetError,
    ThreadId,
)

packets = Packets()


def stay() -> None:
    """A thread told to stop is one that does not run."""


# fmt: off
ACTIONS: tuple[tuple[str, Callable[..., Action | None]], ...] = (
    ("c",                        Continue),
    ("C{signal:hex}",            Continue),
    ("s",                        Step),
    ("S{signal:hex}",            Step),
    ("r{start:hex},{end:hex}",   RangeStep),
    ("t",                        stay),
)
# fmt: on
_SHAPES = tuple((Shape.parse(pattern), make) for pattern, make in ACTIONS)
_THREAD = Shape.parse("{thread:thread}")


def _action(text: str) -> Action | None:
    for shape, make in _SHAPES:
        if (holes := shape.read(text)) is not None:
            return make(**holes)
    raise TargetError(f"unknown action {text[:20]!r}; vCont? lists them")


def _pattern(text: str) -> ThreadPattern:
    if (holes := _THREAD.read(text)) is None:
        raise TargetError(f"{text[:20]!r} is no thread; they look like p1.2")
    pattern: ThreadPattern = holes["thread"]
    return pattern


@packets.on("vCont?", needs=Target, feature="vContSupported+")
def actions_known(session: Session, target: Target) -> str:
    return "".join(["vCont", *(f";{pattern[0]}" for pattern, _ in ACTIONS)])


@packets.on("vCont;{actions:text}", needs=Target)
def resume(session: Session, target: Target, actions: str) -> None:
    """The leftmost action that names a thread is its action."""
    chosen: dict[ThreadId, Action | None] = {}
    for part in actions.split(";"):
        text, colon, thread = part.partition(":")
        action = _action(text)
        matching = session.matching(_pattern(thread) if colon else ThreadPattern(-1, -1))
        if not matching:
            raise TargetError(f"no thread {thread[:40] or 'at all'}; nothing was resumed")
        for thread_id in matching:
            chosen.setdefault(thread_id, action)
    session.resume({thread_id: action for thread_id, action in chosen.items() if action is not None})


@packets.on("c", needs=Target)
@packets.on("C{signal:hex}", needs=Target)
def continue_(session: Session, target: Target, signal: int = 0) -> None:
    session.resume({thread: Continue(signal) for thread in session.matching(session.control)})


@packets.on("s", needs=Target)
@packets.on("S{signal:hex}", needs=Target)
def step(session: Session, target: Target, signal: int = 0) -> None:
    chosen = session.matching(session.control)[:1] if session.control.tid > 0 else [session.current()]
    session.resume({thread: Step(signal) for thread in chosen})


@packets.on("bs", needs=Reversing, feature="ReverseStep+")
def reverse_step(session: Session, target: Reversing) -> None:
    session.reverse(target, step=True)


@packets.on("bc", needs=Reversing, feature="ReverseContinue+")
def reverse_continue(session: Session, target: Reversing) -> None:
    session.reverse(target, step=False)


@packets.on("?", needs=Target)
def why_stopped(session: Session, target: Target) -> str:
    """Only where and with which signal: the event behind it was told when it happened."""
    shown = [thread.id for thread in session.threads()]
    last = session.last
    if isinstance(last, Stopped) and last.thread in shown:
        return session.stop_text(Stopped(last.thread, last.signal))
    return session.stop_text(Stopped(shown[0])) if shown else "W00"
