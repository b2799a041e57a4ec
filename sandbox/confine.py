"""What a child gives up for good before it sees the file.

Memory, processor time and written files are bounded on every system. On Linux it also gives up new
privileges, the right to be traced, and by a filter of system calls: opening or changing files,
sockets, programs, other processes. What is open already stays: the file, and the way to the parent.
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
from pathlib import Path

from sandbox.limits import ChildLimits

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
MODE_FILTER = 2
CLONE_THREAD = 0x10000

# struct sock_filter: code, jump if true, jump if false, value.
INSTRUCTION = struct.Struct("=HBBI")
LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
AT_NUMBER, AT_MACHINE, AT_FIRST_ARGUMENT = 0, 4, 16  # in struct seccomp_data

# Numbers that all machines share (424 and up).
SHARED = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "pidfd_open": 434,
    "openat2": 437,
    "pidfd_getfd": 438,
}
CLONE3 = 435
# Of each machine: its code in seccomp_data, clone's number, and the calls that are refused.
X86_64 = (
    0xC000003E,
    56,
    # open, socket, connect, accept, sendto, sendmsg, bind, listen, socketpair
    (2, 41, 42, 43, 44, 46, 49, 50, 53)
    # fork, vfork, execve, kill, shmget, semget, msgget, truncate, rename, mkdir, rmdir, creat
    + (57, 58, 59, 62, 29, 64, 68, 76, 82, 83, 84, 85)
    # link, unlink, symlink, chmod, fchmod, chown, fchown, lchown
    + (86, 87, 88, 90, 91, 92, 93, 94)
    # ptrace, mknod, pivot_root, setrlimit, chroot
    + (101, 133, 155, 160, 161)
    # mount, umount2, init_module, tkill, add_key, request_key, keyctl, openat, mkdirat, mknodat
    + (165, 166, 175, 200, 248, 249, 250, 257, 258, 259)
    # fchownat, unlinkat, renameat, linkat, symlinkat, fchmodat, unshare, accept4
    + (260, 263, 264, 265, 266, 268, 272, 288)
    # perf_event_open, prlimit64, name_to_handle_at, open_by_handle_at, sendmmsg, setns
    + (298, 302, 303, 304, 307, 308)
    # process_vm_readv, process_vm_writev, finit_module, renameat2, bpf, execveat, userfaultfd
    + (310, 311, 313, 316, 321, 322, 323),
)
AARCH64 = (
    0xC00000B7,
    220,
    # mknodat, mkdirat, unlinkat, symlinkat, linkat, renameat, umount2, mount, pivot_root, truncate
    (33, 34, 35, 36, 37, 38, 39, 40, 41, 45)
    # chroot, fchmod, fchmodat, fchownat, fchown, openat, unshare, init_module, ptrace, kill, tkill
    + (51, 52, 53, 54, 55, 56, 97, 105, 117, 129, 130)
    # setrlimit
    + (164,)
    # msgget, semget, shmget, socket, socketpair, bind, listen, accept, connect, sendto, sendmsg
    + (186, 190, 194, 198, 199, 200, 201, 202, 203, 206, 211)
    # add_key, request_key, keyctl, execve, perf_event_open, accept4, prlimit64
    + (217, 218, 219, 221, 241, 242, 261)
    # name_to_handle_at, open_by_handle_at, setns, sendmmsg, process_vm_readv, process_vm_writev
    + (264, 265, 268, 269, 270, 271)
    # finit_module, renameat2, bpf, execveat, userfaultfd
    + (273, 276, 280, 281, 282),
)
MACHINES = {"x86_64": X86_64, "aarch64": AARCH64}


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def confine(limits: ChildLimits) -> None:
    """Bound this process for good. Raises OSError where the system should, and does not."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    if sys.platform != "linux":
        return
    most = _mapped_bytes() + limits.memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    system = ctypes.CDLL(None, use_errno=True)
    for option, value in (
        (PR_SET_PDEATHSIG, int(signal.SIGKILL)),
        (PR_SET_DUMPABLE, 0),
        (PR_SET_NO_NEW_PRIVS, 1),
    ):
        _checked(system.prctl(option, value, 0, 0, 0))
    machine = MACHINES.get(platform.machine())
    if machine is not None:
        code = filter_program(*machine)
        program = _Program(len(code) // INSTRUCTION.size, code)
        _checked(system.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0))


def filter_program(machine: int, clone: int, refused: tuple[int, ...]) -> bytes:
    """The filter as instructions of the kernel's: refused calls fail with EPERM.

    A thread may be made, a process not: clone needs the flag of a thread, and clone3, whose flags
    a filter cannot see, is told not to exist, so that the C library falls back on clone.
    """
    make = INSTRUCTION.pack
    numbers = sorted({*refused, *SHARED.values()})
    verdicts = [
        make(RETURN, 0, 0, ALLOW),
        make(RETURN, 0, 0, REFUSE | errno.EPERM),
        make(RETURN, 0, 0, REFUSE | errno.ENOSYS),
    ]
    checks = len(numbers)
    body = [
        make(LOAD, 0, 0, AT_MACHINE),
        make(EQUAL, 1, 0, machine),
        make(RETURN, 0, 0, KILL),
        make(LOAD, 0, 0, AT_NUMBER),
        make(AT_LEAST, checks + 5, 0, 0x40000000),  # the second set of numbers of x86-64
        make(EQUAL, checks + 5, 0, CLONE3),
        make(EQUAL, 0, 2, clone),
        make(LOAD, 0, 0, AT_FIRST_ARGUMENT),
        make(ANY_BIT, checks, checks + 1, CLONE_THREAD),
        *(make(EQUAL, checks - index, 0, number) for index, number in enumerate(numbers)),
    ]
    return b"".join(body + verdicts)


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl: {os.strerror(code)}")


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
