"""The failure of one process is all's, and its death is known at once: over real connections."""

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

# What the second process does, one line of its input after the other; it answers how each ended.
SECOND = """
import sys, torch
from pathlib import Path
from tcan_core.errors import PeerError
from tcan_core.distributed.process_group import TorchProcessGroup, join_local_group

join_local_group(Path(sys.argv[1]), 1, 2)
ranks = TorchProcessGroup()
def share():
    return ranks.gather(torch.full((2,), 1.0), [(2,), (2,)])
for line in sys.stdin:
    try:
        with ranks.together():
            exec(line)
        print("done", flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


class Second:
    """The second process, and what it answers."""

    def __init__(self, process: subprocess.Popen[str], listening_before: dict[str, str]) -> None:
        self.process = process
        self.listening_before = listening_before

    def does(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ended(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Second]:
    """Joined with this process, which is the first."""
    file = tmp_path_factory.mktemp("meeting") / "file"
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


def share(ranks: TorchProcessGroup) -> list[torch.Tensor]:
    return ranks.gather(torch.full((2,), 0.5), [(2,), (2,)])


def test_what_is_shared_is_everybodys(second: Second) -> None:
    ranks = TorchProcessGroup()
    second.does("ranks.agree(False); share()")
    with ranks.together():
        assert not ranks.agree(False)
        assert [part.tolist() for part in share(ranks)] == [[0.5, 0.5], [1.0, 1.0]]
    assert second.ended() == "done"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("raise ValueError", PeerError),
        ("raise torch.OutOfMemoryError", PeerMemoryError),
        ("raise MemoryError", PeerMemoryError),
        ("share(); raise ValueError", PeerError),
    ],
)
def test_anothers_failure_is_told_and_the_next_video_is_shared(
    second: Second, failure: str, told: type[Exception]
) -> None:
    ranks = TorchProcessGroup()
    second.does(failure)
    with pytest.raises(PeerError) as failed, ranks.together():
        share(ranks)
    assert type(failed.value) is told
    assert isinstance(failed.value, MemoryError) is (told is PeerMemoryError)
    assert second.ended() == failure.split()[-1].removeprefix("torch.")

    second.does("with ranks.together(): share()")
    with ranks.together():
        share(ranks)
    assert second.ended() == "done"


def test_ones_own_failure_is_told_to_others(second: Second) -> None:
    ranks = TorchProcessGroup()
    second.does("share()")
    with pytest.raises(ZeroDivisionError), ranks.together():
        _ = 1 / 0
    assert second.ended() == "PeerError"


def test_all_stop_when_one_wishes(second: Second) -> None:
    ranks = TorchProcessGroup()
    second.does("assert ranks.agree(False)")
    with ranks.together():
        assert ranks.agree(True)
    assert second.ended() == "done"


def test_nobody_else_on_the_network_reaches_them(second: Second) -> None:
    """What this process listens with since it joined is on the loopback interface."""
    joined = {
        socket: address
        for socket, address in listening().items()
        if socket not in second.listening_before
    }
    assert joined
    assert all(address.startswith("0100007F:") for address in joined.values())


def listening() -> dict[str, str]:
    """This process's listening sockets and their addresses, as the kernel writes them."""
    own = {file.readlink().name for file in Path("/proc/self/fd").iterdir() if file.is_symlink()}
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]": row[1] for row in rows if row[3] == "0A"}
    return {socket: address for socket, address in sockets.items() if socket in own}


def test_a_death_is_known_at_once(second: Second) -> None:
    """The last test of the module: there is no second process after it."""
    ranks = TorchProcessGroup()
    second.does("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(PeerLostError, match="a process of this video's is lost"), ranks.together():
        share(ranks)
