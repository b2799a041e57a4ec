"""A failure or the death of one process is reported to the others, over real connections."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group
from tcan_core.errors import PeerError, PeerLostError, PeerMemoryError

# The second process: executes each line of its input and prints how it ended.
SECOND = """
import sys, torch
from pathlib import Path
from tcan_core.errors import PeerError
from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group

join_local_group(Path(sys.argv[1]), 1, 2)
group = TorchProcessGroup()
def share():
    return group.all_gather(torch.full((2,), 1.0), [(2,), (2,)])
for line in sys.stdin:
    try:
        with group.sync_errors():
            exec(line)
        print("done", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


class Second:
    """The second process, and its answers."""

    def __init__(self, process: subprocess.Popen[str], listening_before: dict[str, str]) -> None:
        self.process = process
        self.listening_before = listening_before

    def run(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def outcome(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    """Return a process that has joined a group with this one, which has rank 0."""
    file = tmp_path_factory.mktemp("rendezvous") / "file"
    before = listening()
    command = [sys.executable, "-c", SECOND, str(file)]
    with (
        pytest.MonkeyPatch.context() as patch,
        subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        patch.setattr(sys, "excepthook", sys.excepthook)  # joining changes it
        try:
            join_local_group(file, 0, 2)
            yield Second(process, before)
        finally:
            process.kill()
            dist.destroy_process_group()


def share(group: TorchProcessGroup) -> list[torch.Tensor]:
    return group.all_gather(torch.full((2,), 0.5), [(2,), (2,)])


def test_all_gather_returns_every_ranks_tensor(second: Second) -> None:
    group = TorchProcessGroup()
    second.run("group.all_reduce_any(False); share()")
    with group.sync_errors():
        assert not group.all_reduce_any(False)
        assert [part.tolist() for part in share(group)] == [[0.5, 0.5], [1.0, 1.0]]
    assert second.outcome() == "done"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ("raise ValueError", PeerError),
        ("raise torch.OutOfMemoryError", PeerMemoryError),
        ("raise MemoryError", PeerMemoryError),
        ("share(); raise ValueError", PeerError),
    ],
)
def test_peer_failure_raises_peer_error_and_the_next_video_succeeds(
    second: Second, failure: str, expected: type[Exception]
) -> None:
    group = TorchProcessGroup()
    second.run(failure)
    with pytest.raises(PeerError) as failed, group.sync_errors():
        share(group)
    assert type(failed.value) is expected
    assert isinstance(failed.value, MemoryError) is (expected is PeerMemoryError)
    assert second.outcome() == failure.split()[-1].removeprefix("torch.")

    second.run("with group.sync_errors(): share()")
    with group.sync_errors():
        share(group)
    assert second.outcome() == "done"


def test_own_failure_is_reported_to_peers(second: Second) -> None:
    group = TorchProcessGroup()
    second.run("share()")
    with pytest.raises(ZeroDivisionError), group.sync_errors():
        _ = 1 / 0
    assert second.outcome() == "PeerError"


def test_all_processes_stop_if_one_requests_it(second: Second) -> None:
    group = TorchProcessGroup()
    second.run("assert group.all_reduce_any(False)")
    with group.sync_errors():
        assert group.all_reduce_any(True)
    assert second.outcome() == "done"


def test_local_group_listens_on_loopback_only(second: Second) -> None:
    """Every socket that joining opened is bound to the loopback interface."""
    joined = {
        socket: address
        for socket, address in listening().items()
        if socket not in second.listening_before
    }
    assert joined
    assert all(address.startswith("0100007F:") for address in joined.values())


def listening() -> dict[str, str]:
    """Return this process's listening sockets and their addresses, as the kernel writes them."""
    own = {file.readlink().name for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    return {socket: address for socket, address in sockets.items() if socket in own}


def test_death_of_a_peer_raises_peer_lost_error(second: Second) -> None:
    """Must be the last test of the module: it kills the second process."""
    group = TorchProcessGroup()
    second.run("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(PeerLostError, match="lost another process"), group.sync_errors():
        share(group)
