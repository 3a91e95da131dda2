"""``--device``: the option's words, and the card that they stand for."""
from __future__ import annotations

from collections.abc import Callable

from vmm.errors import ConfigError
from vmm.guest.cards import ConsoleCard, EntropyCard
from vmm.guest.console import Console, ConsoleError, Waitable, open_console
from vmm.guest.outside import Card
from vmm.guest.pseudoterminal import PtyConsole

OPTION = "--device"
LARGEST_SEED = (1 << 64) - 1
Tell = Callable[[str], None]


class SideConsole:
    """A console without which a run goes on: its first failure is told, and what the guest says from then on is lost."""

    def __init__(self, console: Console, tell: Tell) -> None:
        self._console, self._tell = console, tell
        self._failed = False

    @property
    def descriptor(self) -> int | None:
        return self._console.descriptor if isinstance(self._console, Waitable) else None

    @property
    def keys_ended(self) -> bool:
        return not isinstance(self._console, Waitable) or self._console.keys_ended

    def put(self, byte: int) -> None:
        self._try(lambda: self._console.put(byte))

    def poll(self) -> bytes:
        return self._console.poll()

    def flush(self) -> None:
        self._try(self._console.flush)

    def close(self) -> None:
        if self._failed:
            self._tell = lambda text: None
        self._failed = False                                # what is open is closed in any case
        self._try(self._console.close)

    def _try(self, action: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            action()
        except ConsoleError as error:
            self._failed = True
            self._tell(f"{error}; the run goes on without it")


def card(spec: str, tell: Tell, option: str = OPTION) -> Card:
    """``virtio-rng[,seed=N]`` or ``virtio-console,WHERE``."""
    kind, comma, words = spec.partition(",")
    if kind not in KINDS:
        raise ConfigError(f"{option} {spec}: there is no device {kind!r}; choose from {', '.join(KINDS)}")
    return KINDS[kind](words if comma else None, tell, f"{option} {spec}")


def _entropy(words: str | None, _tell: Tell, asked: str) -> Card:
    if words is None:
        return EntropyCard()
    name, _, text = words.partition("=")
    try:
        seed = int(text, 0)
    except ValueError:
        seed = -1
    if name != "seed" or not 0 <= seed <= LARGEST_SEED:
        raise ConfigError(f"{asked}: {words!r} is no seed; give seed=N, with a number from 0 to {LARGEST_SEED:#x}")
    return EntropyCard(seed)


def _console(words: str | None, tell: Tell, asked: str) -> Card:
    if words in (None, "", "stdio"):
        raise ConfigError(f"{asked}: a second console needs a place of its own; give one, such as virtio-console,pty or "
                          "virtio-console,file:FILE")
    assert words is not None
    console = open_console(words, asked.partition(",")[0])
    if isinstance(console, PtyConsole):
        tell(f"{asked}: {console.path}")
    return ConsoleCard(SideConsole(console, tell))


KINDS: dict[str, Callable[[str | None, Tell, str], Card]] = {"virtio-rng": _entropy, "virtio-console": _console}
