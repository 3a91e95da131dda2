"""``vmm explain``: how an address is translated where a run stands: at its start, or where a limit ended it."""
from __future__ import annotations

from argparse import Namespace
from contextlib import closing

from vmm.arch.models import CpuModel
from vmm.cli.choose import request_from
from vmm.cli.loop import Outcome, listening
from vmm.cli.options import NOT_EXPLAINED, RUN
from vmm.cli.run import Run, open_keyboard
from vmm.errors import ConfigError
from vmm.guest.system import System

WANTED_ENDS = ("until", "max-insns", "timeout")


def main(options: Namespace) -> int:
    vars(options).update({option.key: option.default for option in RUN if option.flags in NOT_EXPLAINED})
    request = request_from(options)
    with closing(request):
        run = Run(options, request)
        if options.until is not None or options.max_insns is not None or options.timeout is not None:
            with listening(run.limits.signals), open_keyboard(options, run):
                outcome = run.to_its_end(None, None)
                run.keyboard.own_line()                         # what is said next is not the guest's
            _check(outcome)
        print(_explained(run.system, options), end="", flush=True)
    return 0


def _check(outcome: Outcome) -> None:
    if outcome.cause not in WANTED_ENDS:
        raise ConfigError(f"explain: the run ended before its limit: {outcome.text}; give a limit that comes earlier")


def _check_width(address: int, cpu: CpuModel) -> None:
    """On a 32-bit core an address may be given sign-extended, too, as it is kept."""
    if cpu.bits == 32 and address >> 31 not in (0, 1, (1 << 33) - 1):
        raise ConfigError(f"{address:#x}: the core {cpu.name} has addresses of 32 bits; give one of these, or "
                          "a 64-bit --cpu")


def _explained(system: System, options: Namespace) -> str:
    from vmm.debug.explain import ACCESSES, explain  # costs a moment, which other verbs need not spend
    from vmm.debug.worlds import HOST, Worlds, cpu_thread, vcpu_thread
    from vmm.gdbstub.target import TargetError

    _check_width(options.ADDRESS, system.request.cpu)
    worlds, number = Worlds(system), options.cpu_number
    thread = cpu_thread(number) if options.host or not worlds.guests else vcpu_thread(number)
    try:
        view = worlds.view(thread)
    except TargetError:
        count = len(worlds.hosts if thread.pid == HOST else worlds.guests)
        raise ConfigError(f"--cpu-number {number}: there are {count}; give 0 to {count - 1}") from None
    return explain(worlds, view, options.ADDRESS, ACCESSES[options.access])
