"""What a whole ``vmm run`` of the bundled guest costs, warm: wall and user seconds, peak memory beside the guest's."""
from __future__ import annotations

import os
import statistics
import sys
import time

# Warm means: with Python's own cache too.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
ROUNDS = 5
GUEST_MIB = 256
COMMANDS = {
    "--help": ["--help"],
    "run --mode bare": ["run", "--mode", "bare"],
    "run (vz)": ["run"],
    "run --mode te": ["run", "--mode", "te"],
}


def run_once(arguments: list[str]) -> tuple[float, float, float]:
    """Wall seconds, user seconds, peak MiB."""
    null = os.open(os.devnull, os.O_RDWR)
    started = time.monotonic()
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "vmm", *arguments], ENVIRONMENT,
                           file_actions=[(os.POSIX_SPAWN_DUP2, null, number) for number in range(3)])
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - started
    os.close(null)
    if status:
        sys.exit(f"startup: vmm {' '.join(arguments)} ended with wait status {status}")
    return wall, usage.ru_utime, usage.ru_maxrss / 1024


def main() -> None:
    print(f"{'command':18}{'wall s':>9}{'user s':>9}{'peak MiB':>10}")
    for name, arguments in COMMANDS.items():
        run_once(arguments)                                 # fills the caches
        runs = [run_once(arguments) for _ in range(ROUNDS)]
        wall, user, peak = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:18}{wall:9.2f}{user:9.2f}{peak:10.0f}")
    print(f"medians of {ROUNDS}; the guest's {GUEST_MIB} MiB count only as far as it touches them")


if __name__ == "__main__":
    main()
