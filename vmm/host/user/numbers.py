"""Linux's numbers that programs for MIPS are compiled with; many are not those of other architectures.

(Linux arch/mips/include/uapi/asm: errno.h, signal.h, mman.h; include/uapi/linux: sched.h, futex.h, wait.h, auxvec.h.)
"""
from __future__ import annotations

from enum import IntEnum, IntFlag


class Errno(IntEnum):
    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EINTR = 4
    E2BIG = 7
    ENOEXEC = 8
    EBADF = 9
    ECHILD = 10
    EAGAIN = 11
    ENOMEM = 12
    EFAULT = 14
    EEXIST = 17
    EINVAL = 22
    ENOTTY = 25
    ESPIPE = 29
    ENOSYS = 89
    ETIMEDOUT = 145


class Sig(IntEnum):
    HUP = 1
    INT = 2
    QUIT = 3
    ILL = 4
    TRAP = 5
    ABRT = 6
    FPE = 8
    KILL = 9
    BUS = 10
    SEGV = 11
    SYS = 12
    PIPE = 13
    ALRM = 14
    TERM = 15
    USR1 = 16
    USR2 = 17
    CHLD = 18
    WINCH = 20
    URG = 21
    STOP = 23
    TSTP = 24
    CONT = 25


SIGNALS = 128
"""They are 1 to 127; a set of them has a bit for each."""


class Prot(IntFlag):
    NONE = 0
    READ = 1
    WRITE = 2
    EXEC = 4


class Map(IntFlag):
    SHARED = 0x001
    PRIVATE = 0x002
    FIXED = 0x010
    ANONYMOUS = 0x800
    FIXED_NOREPLACE = 0x10_0000


MADV_DONTNEED = 4


class Clone(IntFlag):
    VM = 0x100
    FS = 0x200
    FILES = 0x400
    SIGHAND = 0x800
    VFORK = 0x4000
    THREAD = 0x1_0000
    SYSVSEM = 0x4_0000
    SETTLS = 0x8_0000
    PARENT_SETTID = 0x10_0000
    CHILD_CLEARTID = 0x20_0000
    DETACHED = 0x40_0000
    CHILD_SETTID = 0x100_0000


class FutexOp(IntEnum):
    WAIT = 0
    WAKE = 1
    REQUEUE = 3
    CMP_REQUEUE = 4
    WAIT_BITSET = 9
    WAKE_BITSET = 10


class Sa(IntFlag):
    """Flags of a signal's action."""

    SIGINFO = 0x8
    NOCLDWAIT = 0x1_0000
    ONSTACK = 0x0800_0000
    RESTART = 0x1000_0000
    NODEFER = 0x4000_0000
    RESETHAND = 0x8000_0000


class Si(IntEnum):
    """Where a signal comes from, si_code; those of SIGSEGV and of kill."""

    MAPERR = 1
    ACCERR = 2
    USER = 0
    TKILL = -6


class Aux(IntEnum):
    """What the kernel tells a program behind its environment."""

    NULL = 0
    PHDR = 3
    PHENT = 4
    PHNUM = 5
    PAGESZ = 6
    BASE = 7
    FLAGS = 8
    ENTRY = 9
    UID = 11
    EUID = 12
    GID = 13
    EGID = 14
    PLATFORM = 15
    HWCAP = 16
    CLKTCK = 17
    SECURE = 23
    RANDOM = 25
    EXECFN = 31
    SYSINFO_EHDR = 33


class CallError(Exception):
    """A system call fails with this error."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno
