"""``vmm``: find the verb, parse its options, and turn every mistake into one line and status 125.

Exit status: the guest's own; 0 when it powered off, or ``--until`` matched; 124 when a limit ran out;
125 for an error of ours or a bad option; 129, 130 or 143 when a signal ended the run, 129 or 141 when the console's
terminal or reader went away.
"""
from __future__ import annotations

import gc
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from vmm.cli.options import VERBS, Option, Verb
from vmm.errors import ConfigError

MISTAKE = 125
INTERRUPTED = 130                                           # 128 + SIGINT, as shells have it


class Parser(ArgumentParser):
    """Reports by ``ConfigError``, so that there is one way in which mistakes are told."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{self.prog.partition(' ')[2] or 'vmm'}: {message}; see {self.prog} --help")


def parser_for(verb: Verb) -> Parser:
    parser = Parser(prog=f"vmm {verb.name}", description=verb.summary, allow_abbrev=False)
    for option in verb.options:
        _add(parser, option)
    return parser


def _add(parser: Parser, option: Option) -> None:
    settings: dict[str, object] = {"help": option.help, "dest": option.name, "metavar": option.metavar}
    if option.kind is None:
        settings["action"] = "store_true"
    else:
        settings |= {"type": option.kind, "default": option.default, "choices": option.choices,
                     "nargs": option.count, "action": "append" if option.repeats else None}
    given = {name: value for name, value in settings.items() if value is not None}
    parser.add_argument(*option.flags.split(), **given)     # type: ignore[arg-type]


def usage() -> str:
    width = max(map(len, VERBS))
    verbs = "\n".join(f"  {verb.name:{width}}  {verb.summary}" for verb in VERBS.values())
    return (f"usage: vmm VERB [options]\n\nA MIPS virtual machine monitor.  `vmm run` boots the bundled guest.\n\n"
            f"{verbs}\n\n`vmm VERB --help` lists the options of a verb.")


def parse(arguments: Sequence[str]) -> tuple[Verb, Namespace]:
    name = arguments[0] if arguments else ""
    if name not in VERBS:
        found = f"{name!r} is no verb" if name else "no verb was given"
        raise ConfigError(f"{found}; use one of {', '.join(VERBS)}, or see vmm --help")
    return VERBS[name], parser_for(VERBS[name]).parse_args(arguments[1:])


def dispatch(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if arguments and arguments[0] == "--version":
        print(version())
        return 0
    verb, options = parse(arguments)
    status: int = loaded(verb.module).main(options)
    return status


def loaded(name: str) -> ModuleType:
    """A verb's module.  All that is imported with it stays to the end, so the collector of garbage need not look at it, now
    or later: a fifth of a short run."""
    if name not in sys.modules:
        gc.disable()
        try:
            import_module(name)
        finally:
            gc.freeze()
            gc.enable()
    return sys.modules[name]


def version() -> str:
    from importlib import metadata

    try:
        return f"vmm {metadata.version('vmm')}"
    except metadata.PackageNotFoundError:                   # run from a checkout
        return "vmm (not installed)"


def one_line(text: str) -> str:
    """What the user is told fits on a line, whatever the file is called."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
                   for c in " ".join(text.split()))


def complain(text: str) -> None:
    with suppress(OSError):                                 # the terminal is gone: there is nobody to tell
        print("vmm: " + one_line(text).encode("utf-8", "backslashreplace").decode(), file=sys.stderr, flush=True)


def abandon_stdout() -> None:
    """Its reader is gone: what is still held must not fail again at the end of the process."""
    with suppress(OSError):                                 # it has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def stand_in_streams() -> None:
    """Standard output and error that whoever started us has closed lead nowhere; else the next file would have their
    numbers."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))


def main(arguments: Sequence[str] | None = None) -> int:
    stand_in_streams()
    try:
        status = dispatch(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except ConfigError as error:
        complain(str(error))
        return MISTAKE
    except BrokenPipeError:                                 # the reader of a listing has seen enough
        abandon_stdout()
        return 0
    except OSError as error:
        if error.filename is not None:                      # of a file; who opens one tells the user, so this is ours
            raise
        abandon_stdout()
        complain(f"standard output cannot be written: {error.strerror}; send it elsewhere")
        return MISTAKE
    except MemoryError:
        complain("the host has too little free memory for this guest; give it less with -m")
        return MISTAKE
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
