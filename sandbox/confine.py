"""Drop a child's privileges for good, before it reads the file.

Memory, processor time and file writes are limited on every system. On Linux the child also cannot
gain privileges or be traced, and a seccomp filter allows only the system calls that computing on
open files needs. Descriptors that are open stay usable: the file, and the channel to the parent.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.limits import ChildLimits

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
KILL_SIGNAL = int(signal.SIGKILL)
MODE_FILTER = 2
CLONE_THREAD = 0x10000

# struct sock_filter: code, jump if true, jump if false, value.
INSTRUCTION = struct.Struct("=HBBI")
# Where `filter_program` has the id of the child.
PROCESS, PROCESS_OFFSET = struct.Struct("=I"), 10 * INSTRUCTION.size + 4
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
AT_NUMBER, AT_MACHINE, AT_FIRST_ARGUMENT = 0, 4, 16  # in struct seccomp_data

# Allowed system calls, with their numbers on x86-64 and aarch64: memory, waiting, open descriptors,
# clocks, and exit. All others are refused, also `fcntl` and `ioctl`: with them the kernel can be
# made to send any signal to any process of the same user when data arrives on a socket (F_SETOWN
# and F_SETSIG).
ALLOWED: Mapping[str, tuple[int, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "newfstatat": (262, 79),  # how some C libraries call fstat
    "lseek": (8, 62),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "recvmsg": (47, 212),  # files from the parent, on the only socket
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "futex": (202, 98),
    "set_robust_list": (273, 99),
    "rseq": (334, 293),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "nanosleep": (35, 101),
    "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "gettimeofday": (96, 169),
    "getpid": (39, 172),
    "gettid": (186, 178),
    "getcpu": (309, 168),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "getrandom": (318, 278),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# A thread may be created but no process; signals may be sent to threads of the own process, so that
# abort() works.
CLONE, TGKILL = (56, 220), (234, 131)
CLONE3 = 435
# Architecture code in seccomp_data, and column of the numbers above.
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


class Confinement:
    """Confines processes; prepared by the zygote, so that each child has less to do."""

    def __init__(self) -> None:
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        if sys.platform == "linux":
            self._system = ctypes.CDLL(None, use_errno=True)
            self._mapped_bytes = _mapped_bytes()
            machine = MACHINES.get(platform.machine())
            self._filter = None if machine is None else filter_program(*machine, 0)

    def confine(self, limits: ChildLimits) -> None:
        """Confine this process for good. Raises OSError when the system refuses."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
        if sys.platform != "linux":
            return
        most = self._mapped_bytes + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        self._control(PR_SET_PDEATHSIG, KILL_SIGNAL)
        self._control(PR_SET_DUMPABLE, 0)
        self._control(PR_SET_NO_NEW_PRIVS, 1)
        if self._filter is not None:
            code = bytearray(self._filter)
            PROCESS.pack_into(code, PROCESS_OFFSET, os.getpid())
            program = _Program(len(code) // INSTRUCTION.size, bytes(code))
            self._control(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program))

    def _control(self, option: int, value: int, pointer: Any = 0) -> None:
        if self._system.prctl(option, value, pointer, 0, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"prctl: {os.strerror(code)}")


def filter_program(machine: int, column: int, process: int) -> bytes:
    """Return the filter as BPF instructions; system calls that are not allowed fail with EPERM.

    clone needs the flag of a thread. clone3, whose flags a filter cannot read, fails with ENOSYS,
    so that the C library falls back on clone.

    Args:
        machine: architecture code in seccomp_data; a system call of another one kills the process.
        column: index of the architecture in the rows of `ALLOWED`.
        process: id of the child; its threads may be sent signals.
    """
    make = INSTRUCTION.pack
    numbers = sorted(row[column] for row in ALLOWED.values())
    most = len(numbers)
    body = [
        make(LOAD, 0, 0, AT_MACHINE),
        make(EQUAL, 1, 0, machine),
        make(RETURN, 0, 0, KILL),
        make(LOAD, 0, 0, AT_NUMBER),
        make(EQUAL, most + 8, 0, CLONE3),
        make(EQUAL, 0, 2, CLONE[column]),
        make(LOAD, 0, 0, AT_FIRST_ARGUMENT),
        make(ANY_BIT, most + 4, most + 3, CLONE_THREAD),
        make(EQUAL, 0, 2, TGKILL[column]),
        make(LOAD, 0, 0, AT_FIRST_ARGUMENT),
        make(EQUAL, most + 1, most, process),
        *(make(EQUAL, most - index, 0, number) for index, number in enumerate(numbers)),
        make(RETURN, 0, 0, REFUSE | errno.EPERM),
        make(RETURN, 0, 0, ALLOW),
        make(RETURN, 0, 0, REFUSE | errno.ENOSYS),
    ]
    return b"".join(body)


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
