"""Debian's installer at a terminal, as a person has it: its first screen comes, and answers keys.

The terminal is tmux's, which draws what the guest says and gives it keys.
"""
from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import vmm
from tests.support.debian import netboot

ROOT = Path(vmm.__file__).parent.parent
COLUMNS, ROWS = 80, 25
BOOT_SECONDS, KEY_SECONDS = 3000, 600                       # on a busy machine
LOOK_SECONDS = 1.0
CHOSEN = re.compile(r"\x1b\[41m\s*([^\x1b]*[^\x1b\s])")     # what stands on red is what Enter takes
TITLE = re.compile(r"\[!+\] ([^\x1b]*\w)")


@dataclass(frozen=True, slots=True)
class Terminal:
    """tmux with one window, apart from any other of this user's."""
    socket: str

    def tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-S", self.socket, "-f", os.devnull, *words], capture_output=True, text=True,
                              check=True).stdout

    def start(self, command: list[str]) -> None:
        self.tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), shlex.join(command))
        self.tmux("set-option", "remain-on-exit", "on")

    @property
    def screen(self) -> str:
        """With its colours."""
        return self.tmux("capture-pane", "-e", "-p")

    def keys(self, *names: str) -> None:
        self.tmux("send-keys", *names)

    def wait(self, seconds: float, seen: Callable[[str], object]) -> str:
        end = time.monotonic() + seconds
        while not seen(screen := self.screen):
            assert time.monotonic() < end, screen
            time.sleep(LOOK_SECONDS)
        return screen


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    found = Terminal(str(tmp_path / "tmux"))
    yield found
    subprocess.run(["tmux", "-S", found.socket, "kill-server"], capture_output=True)


def title(screen: str) -> str:
    found = TITLE.search(screen)
    return found[1] if found else ""


def chosen(screen: str) -> str:
    found = CHOSEN.search(screen)
    return found[1] if found else ""


@pytest.mark.soak
def test_the_first_screen_comes_and_answers_keys(terminal: Terminal) -> None:
    folder = netboot("mipsel")
    terminal.start(["env", f"PYTHONPATH={ROOT}", sys.executable, "-m", "vmm", "run", "--mode", "vz", "--cpu", "P5600",
                    "-i", str(folder / "initrd.gz"), "-a", "console=ttyS0 ieee754=relaxed", "--stats",
                    str(next(folder.glob("vmlinuz-*")))])
    first = terminal.wait(BOOT_SECONDS, lambda screen: title(screen) and chosen(screen))
    assert title(first) == "Select a language" and "Choose the language to be used for the installation" in first
    walk(terminal, chosen(first))

    terminal.keys("C-a", "x")
    terminal.wait(KEY_SECONDS, lambda screen: "ended: left with Ctrl-A x (status 0)" in screen)


def walk(terminal: Terminal, usual: str) -> None:
    """Up from the language that is usual, which is the last of the list, and down again; then to the next screen."""
    terminal.keys("Up")
    above = terminal.wait(KEY_SECONDS, lambda screen: chosen(screen) not in ("", usual))
    assert title(above) == "Select a language"
    terminal.keys("Down")
    again = terminal.wait(KEY_SECONDS, lambda screen: chosen(screen) not in ("", chosen(above)))
    assert (title(again), chosen(again)) == ("Select a language", usual)

    terminal.keys("Enter")
    third = terminal.wait(KEY_SECONDS, lambda screen: title(screen) not in ("", "Select a language"))
    print(f"{usual!r}, after Up {chosen(above)!r}, after Down {chosen(again)!r}, after Enter {title(third)!r}")
    assert title(third) == "Select your location"
