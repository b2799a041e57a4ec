"""System calls by number, as a compromised child would make them, without libraries."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.children import Sandbox
from sandbox.confine import ALLOWED, CLONE, CLONE3, CLONE_THREAD, INSTRUCTION, MACHINES, TGKILL
from sandbox.confine import filter_program as program
from sandbox.limits import MIB, ChildLimits
from tests.servers import GUARD_S

LIMITS = ChildLimits(memory_bytes=256 * MIB, cpu_s=60, wait_s=GUARD_S)
HERE, KILL = -100, int(signal.SIGKILL)  # AT_FDCWD
# Beginning of struct siginfo: the signal, no error, and SI_QUEUE, which other processes may get.
INFO = [KILL, 0xFFFFFFFF, *(0,) * 14]
F_SETOWN, F_SETSIG, FIOSETOWN = 8, 10, 0x8901

Arguments = Callable[[int, str], list[int | str | list[int]]]
# Per call: its numbers on x86-64 (None if it has none) and aarch64, and arguments that would harm
# the process `v` or the file `f`.
HARM: dict[str, tuple[int | None, int, Arguments]] = {
    "kill": (62, 129, lambda v, f: [v, KILL]),
    "tkill": (200, 130, lambda v, f: [v, KILL]),
    "tgkill": (234, 131, lambda v, f: [v, v, KILL]),
    "rt_sigqueueinfo": (129, 138, lambda v, f: [v, KILL, INFO]),
    "rt_tgsigqueueinfo": (297, 240, lambda v, f: [v, v, KILL, INFO]),
    "pidfd_open": (434, 434, lambda v, f: [v, 0]),
    "pidfd_send_signal": (424, 424, lambda v, f: [0, KILL, 0, 0]),
    "pidfd_getfd": (438, 438, lambda v, f: [0, 0, 0]),
    "fcntl F_SETOWN": (72, 25, lambda v, f: [0, F_SETOWN, v]),
    "fcntl F_SETSIG": (72, 25, lambda v, f: [0, F_SETSIG, KILL]),
    "ioctl FIOSETOWN": (16, 29, lambda v, f: [0, FIOSETOWN, [v]]),
    "ptrace": (101, 117, lambda v, f: [16, v, 0, 0]),
    "process_vm_readv": (310, 270, lambda v, f: [v, [0, 0], 1, [0, 0], 1, 0]),
    "process_vm_writev": (311, 271, lambda v, f: [v, [0, 0], 1, [0, 0], 1, 0]),
    "process_madvise": (440, 440, lambda v, f: [0, [0, 0], 1, 21, 0]),
    "prlimit64": (302, 261, lambda v, f: [v, 0, [1, 1], 0]),
    "setpriority": (141, 140, lambda v, f: [0, v, 19]),
    "sched_setaffinity": (203, 122, lambda v, f: [v, 8, [1]]),
    "sched_setscheduler": (144, 119, lambda v, f: [v, 5, [0]]),
    "ioprio_set": (251, 30, lambda v, f: [1, v, 3 << 13]),
    "kcmp": (312, 272, lambda v, f: [v, v, 1, 0, 0]),
    "prctl": (157, 167, lambda v, f: [4, 1, 0, 0, 0]),
    "open": (2, 56, lambda v, f: [f, 2] if platform.machine() == "x86_64" else [HERE, f, 2]),
    "openat2": (437, 437, lambda v, f: [HERE, f, [2, 0, 0], 24]),
    "truncate": (76, 45, lambda v, f: [f, 0]),
    "utimensat": (280, 88, lambda v, f: [HERE, f, [1, 0, 1, 0], 0]),
    "utime": (132, 88, lambda v, f: [f, [1, 1]]),
    "utimes": (235, 88, lambda v, f: [f, [1, 0, 1, 0]]),
    "futimesat": (261, 88, lambda v, f: [HERE, f, [1, 0, 1, 0]]),
    "setxattr": (188, 5, lambda v, f: [f, "user.a", "b", 1, 0]),
    "lsetxattr": (189, 6, lambda v, f: [f, "user.a", "b", 1, 0]),
    "removexattr": (197, 14, lambda v, f: [f, "user.a"]),
    "setxattrat": (463, 463, lambda v, f: [HERE, f, 0, "user.a", [0, 0], 16]),
    "fchmodat": (268, 53, lambda v, f: [HERE, f, 0]),
    "fchmodat2": (452, 452, lambda v, f: [HERE, f, 0, 0]),
    "unlinkat": (263, 35, lambda v, f: [HERE, f, 0]),
    "renameat2": (316, 276, lambda v, f: [HERE, f, HERE, f + "x", 0]),
    "chdir": (80, 49, lambda v, f: ["/"]),
    "getdents64": (217, 61, lambda v, f: [0, [0] * 8, 64]),
    "io_uring_setup": (425, 425, lambda v, f: [1, [0] * 16]),
    "io_setup": (206, 0, lambda v, f: [1, [0]]),
    "socket": (41, 198, lambda v, f: [1, 1, 0]),
    "sendto": (44, 206, lambda v, f: [0, "x", 1, 0, 0, 0]),
    "sendmsg": (46, 211, lambda v, f: [3, [0] * 7, 0]),
    "sendmmsg": (307, 269, lambda v, f: [3, [0] * 8, 1, 0]),
    "recvmmsg": (299, 243, lambda v, f: [3, [0] * 8, 1, 0, 0]),
    "socketpair": (53, 199, lambda v, f: [1, 1, 0, [0]]),
    "setsockopt": (54, 208, lambda v, f: [3, 1, 16, [1], 4]),
    "shutdown": (48, 210, lambda v, f: [3, 2]),
    "dup": (32, 23, lambda v, f: [3]),
    "setrlimit": (160, 164, lambda v, f: [0, [-1, -1]]),
    "shmget": (29, 194, lambda v, f: [1, 4096, 0o1600]),
    "mq_open": (240, 180, lambda v, f: ["tcan", 0o102, 0o600, 0]),
    "memfd_create": (319, 279, lambda v, f: ["a", 0]),
    "execveat": (322, 281, lambda v, f: [HERE, "/bin/true", 0, 0, 0]),
    "clone of a process": (*CLONE, lambda v, f: [int(signal.SIGCHLD), 0, 0, 0, 0]),
    "unshare": (272, 97, lambda v, f: [0x10000000]),
    "userfaultfd": (323, 282, lambda v, f: [1]),
    "bpf": (321, 280, lambda v, f: [0, [0] * 16, 128]),
    "perf_event_open": (298, 241, lambda v, f: [[0] * 16, v, -1, -1, 0]),
    "add_key": (248, 217, lambda v, f: ["user", "a", "b", 1, -2]),
    "landlock_create_ruleset": (444, 444, lambda v, f: [0, 0, 1]),
    "kill with the x32 number": (0x40000000 | 62, 129, lambda v, f: [v, KILL]),
    "unassigned number": (900, 900, lambda v, f: []),
}


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process of the same user, like gateway and worker."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def test_no_system_call_harms_another_process_or_a_file(
    victim: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert sys.platform == "linux" and platform.machine() in MACHINES
    column = MACHINES[platform.machine()][1]
    file = tmp_path / "file"
    file.write_text("still here")
    before, priority = file.stat(), os.getpriority(os.PRIO_PROCESS, victim.pid)
    tried = {name: row for name, row in HARM.items() if row[column] is not None}
    calls = [(row[column], row[2](victim.pid, str(file))) for row in tried.values()]
    module = "tests.sandbox.misbehave"
    sandbox = Sandbox(module)
    with sandbox.child(f"{module}:call", [(b"", calls)], LIMITS) as child:
        errors = dict(zip(tried, child.json(), strict=True))
    sandbox.close()
    assert {name: code for name, code in errors.items() if code != errno.EPERM} == {}
    assert victim.poll() is None and os.getpriority(os.PRIO_PROCESS, victim.pid) == priority
    after = file.stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert file.read_text() == "still here"


@pytest.mark.parametrize("name", MACHINES)
def test_filter_of_each_architecture_allows_only_the_listed_calls(name: str) -> None:
    """Interpret the filters in Python, since this machine can only run its own architecture's."""
    machine, column = MACHINES[name]
    code, own = program(machine, column, 77), {row[column] for row in ALLOWED.values()}

    def verdict(number: int, first: int = 0, of: int = machine) -> int:
        return run(code, {0: number, 4: of, 16: first})

    assert {number for number in range(1024) if verdict(number) == ALLOW} == own
    assert len(own) == len(ALLOWED), "two names have one number"
    assert verdict(CLONE[column], CLONE_THREAD | 0xF00) == ALLOW
    assert verdict(TGKILL[column], 77) == ALLOW
    assert verdict(CLONE3) == REFUSE | errno.ENOSYS
    for number, first in ((CLONE[column], 17), (TGKILL[column], 78), (0x40000001, 0), (900, 0)):
        assert verdict(number, first) == REFUSE | errno.EPERM
    assert verdict(min(own), of=machine ^ 1) == 0x80000000


ALLOW, REFUSE = 0x7FFF0000, 0x00050000


def run(code: bytes, call: dict[int, int]) -> int:
    """Return a filter's result for a call.

    Args:
        code: the filter.
        call: words of struct seccomp_data by offset.
    """
    steps = list(INSTRUCTION.iter_unpack(code))
    at, loaded = 0, 0
    while True:
        kind, yes, no, value = steps[at]
        at += 1
        match kind:
            case 0x20:
                loaded = call[value]
            case 0x15:
                at += yes if loaded == value else no
            case 0x45:
                at += yes if loaded & value else no
            case _:
                return int(value)
