"""Two processes that share the windows of one video write the same file as one process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tcan_core.distributed.process_group import SingleProcess, local_device
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests.servers import GUARD_S, free_port

FRAMES, PROCESSES = 44, 2
MAIN = "from cli.main import main; main()"


def start(arguments: list[str], **variables: str) -> subprocess.Popen[str]:
    """Start `tcan` in a process of its own, with one thread."""
    command = [sys.executable, "-W", "ignore", "-c", MAIN, *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
@pytest.mark.parametrize("window_batch", [1, 2])
def test_two_processes_write_the_same_file_as_one(tmp_path: Path, window_batch: int) -> None:
    """44 frames are 4 windows: two rounds of two; as batches of two, one round."""
    render_pair(tmp_path, FIRST_TEST_SEED + 700, FRAMES, 64)
    arguments = [
        "animate",
        f"--image={tmp_path / 'source.png'}",
        f"--driving={tmp_path / 'driving_pose.json'}",
        "--seed=5",
        "--num-inference-steps=2",
        f"--window-batch={window_batch}",
    ]
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [start([*arguments, f"--out={one}"])]
    started += [
        start(
            [*arguments, f"--out={two}"],
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(PROCESSES),
            **group,
        )
        for rank in range(PROCESSES)
    ]
    try:
        for process in started:
            output, _ = process.communicate(timeout=GUARD_S)
            assert process.returncode == 0, output
    finally:
        for process in started:
            process.kill()
    assert two.read_bytes() == one.read_bytes()


def test_single_process_returns_its_own_values() -> None:
    group = SingleProcess()
    assert (group.rank, group.world_size) == (0, 1)
    assert group.broadcast(3) == 3 and group.all_reduce_any(True)


def test_local_device_is_the_gpu_of_the_local_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert local_device("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (local_device("cuda"), local_device("cpu")) == ("cuda:1", "cpu")
