"""Loader processes change nothing that is learned, and never outlive the run.

`make test ARGS="-m slow tests/tcan_core/training/test_loaders.py"` kills two processes with their
loaders ten times.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcan_core.config import save_config
from tcan_core.errors import ConfigError, PeerLostError
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.config import FolderData, OptimizerConfig, RunConfig
from tcan_core.training.drawing import ClipDrawing, StepDrawing
from tcan_core.training.folder_data import FolderClips
from tcan_core.training.loaders import open_batches
from tcan_core.training.loop import train
from tests.servers import wait_until
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent
from tests.tcan_core.training.test_folder_data import damage, write_clip
from tests.tcan_core.training.test_pose_augmentation import ALL, write_keypoint_clip
from tests.tcan_core.training.test_resume import equal
from tests.tcan_core.training.torchrun import one_node, started

KILLS, STEPS = 10, 60


def run_in(folder: Path, **changes: Any) -> RunConfig:
    return RunConfig(str(folder), str(folder), **{"steps": 9, "batch_size": 4} | changes)


@pytest.mark.long
def test_number_of_loaders_changes_no_weight(tmp_path: Path) -> None:
    states = []
    for loaders in (0, 2):
        run = run_in(tmp_path / str(loaders), loaders=loaders)
        train(Lines(), run, OptimizerConfig(accumulation_steps=2), False, silent)
        states.append(load_checkpoint(tmp_path / str(loaders) / "checkpoint.pt"))

    assert equal(*states)
    assert multiprocessing.active_children() == []


def test_share_of_waiting_is_reported(tmp_path: Path) -> None:
    shares: list[float] = []
    run = run_in(tmp_path, log_every=3)

    train(Lines(), run, OptimizerConfig(), False, lambda _, now: shares.append(now["waiting"]))

    assert len(shares) == 3 and all(0 < share < 1 for share in shares)


@pytest.mark.long
def test_loader_that_dies_is_named_and_the_last_step_kept(tmp_path: Path) -> None:
    run = run_in(tmp_path, steps=100_000, loaders=2, log_every=1)

    def kill_one(step: int, scalars: dict[str, float]) -> None:
        if step == 3:
            multiprocessing.active_children()[0].kill()

    with pytest.raises(PeerLostError) as raised:
        train(Lines(), run, OptimizerConfig(), False, kill_one)

    message = str(raised.value)
    assert re.search(r"^loader \d of 2 \(pid \d+\) was killed by SIGKILL; a machine", message)
    step = load_checkpoint(tmp_path / "checkpoint.pt")["step"]
    assert f"checkpoint.pt holds step {step}. Continue with --resume" in message
    assert multiprocessing.active_children() == []


@pytest.mark.long
def test_damaged_files_of_all_loaders_are_counted_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, name in enumerate(("good", "worse")):
        write_clip(tmp_path, name, seed, frames=3)
    damage(tmp_path, "worse", 2)
    data = FolderClips(FolderData(str(tmp_path), size=32, max_damaged=2), 1)
    drawing = StepDrawing(ClipDrawing(data, 0.1), 0, 6, 1, 1, 0)

    with open_batches(drawing, 0, 2) as batches:
        drawn = [batches.next() for _ in range(4)]

    assert [len(batch.clips.pictures) for [batch] in drawn] == [6] * 4
    assert [record.message[:30] for record in caplog.records] == [
        "damaged file 1 of at most 2 sk", "damaged file 2 of at most 2 sk",
    ]  # fmt: skip
    data.data = replace(data.data, max_damaged=1)
    with (
        open_batches(drawing, 0, 2) as batches,
        pytest.raises(ConfigError, match="2 damaged files, allowed are 1"),
    ):
        for _ in range(4):
            batches.next()


def write_run(runs: TinyRuns, name: str, **changes: Any) -> Path:
    path = runs.root / "run.yaml"
    save_config(runs.config(name, **changes), path)
    return path


def members(group: int) -> list[str]:
    """Return the command lines of a process group's processes; those that have ended have none."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_member = os.getpgid(int(entry.name)) == group
            line = (entry / "cmdline").read_text()
        except (ProcessLookupError, FileNotFoundError):
            continue
        if is_member and line:
            found.append(line)
    return found


@pytest.mark.long
@pytest.mark.parametrize(
    ("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 1), (signal.SIGKILL, -9)]
)
def test_loaders_end_with_the_run(
    runs: TinyRuns, repository: Path, how: signal.Signals, status: int
) -> None:
    """Ctrl-C and a job's end reach all of its processes; a kill may reach the first alone."""
    config = write_run(runs, "autoencoder", steps=1_000_000, loaders=2)
    command = ["python", "-m", "tcan_core.training", "autoencoder", "--config", str(config)]
    log = runs.root / "log"

    with started(repository, command, {}, log) as run:
        run.until(3)
        assert sum("spawn_main" in line for line in members(run.process.pid)) == 2
        (os.kill if how == signal.SIGKILL else os.killpg)(run.process.pid, how)
        assert run.end() == status
        wait_until(lambda: not members(run.process.pid), "the end of all processes")

    assert "Traceback" not in log.read_text()
    if how == signal.SIGTERM:
        assert "stopped by SIGTERM at step" in log.read_text()
        assert (runs.root / "autoencoder" / "checkpoint.pt").exists()


def folder_changes(runs: TinyRuns) -> dict[str, Any]:
    """Return a run that draws crops and errors in poses, and may be killed after any step."""
    for seed, name in enumerate(("00001", "00002", "00003")):
        write_keypoint_clip(runs.root / "clips", name, seed)
    return {
        "data": None,
        "folders": FolderData(str(runs.root / "clips"), size=32),
        "pose_augmentation": ALL,
        "batch_size": 2,
        "checkpoint_every_s": 0.0,
        "loaders": 2,
    }


def compare(runs: TinyRuns, undisturbed: TinyRuns) -> None:
    states = [load_checkpoint(one.root / "stage2" / "checkpoint.pt") for one in (runs, undisturbed)]
    assert equal(*states)
    for part in undisturbed.parts.iterdir():
        assert part.read_bytes() == (runs.parts / part.name).read_bytes(), part.name


@pytest.mark.long
def test_killed_run_with_loaders_equals_one_without_to_the_byte(
    runs: TinyRuns, repository: Path
) -> None:
    undisturbed = TinyRuns(runs.root / "undisturbed", runs.cache)
    shutil.copytree(runs.parts, undisturbed.parts)
    changes = folder_changes(runs) | {"steps": 8}
    undisturbed.train("stage2", **changes | {"loaders": 0})
    config = write_run(runs, "stage2", **changes)
    command = ["python", "-m", "tcan_core.training", "stage2", "--config", str(config)]

    with started(repository, command, {}, runs.root / "log") as run:
        run.until(3)
        run.kill()
    runs.train("stage2", resume=True, **changes)

    compare(runs, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # twelve starts of torch in six processes each
def test_two_processes_killed_at_ten_random_steps_equal_undisturbed_ones_to_the_byte(
    runs: TinyRuns, repository: Path
) -> None:
    undisturbed = TinyRuns(runs.root / "undisturbed", runs.cache)
    shutil.copytree(runs.parts, undisturbed.parts)
    changes = folder_changes(runs) | {"steps": STEPS}
    for one in (runs, undisturbed):
        write_run(one, "stage2", **changes)
    command, environment = one_node(repository, runs.root / "run.yaml", "stage2")
    other, _ = one_node(repository, undisturbed.root / "run.yaml", "stage2")

    with started(repository, other, environment, undisturbed.root / "log") as run:
        assert run.end() == 0, (undisturbed.root / "log").read_text()
    rng, killed_at = np.random.default_rng(20), list[int]()
    for _ in range(KILLS):
        with started(repository, command, environment, runs.root / "log") as run:
            killed_at.append(run.after(int(rng.integers(1, 4))))
            run.kill()
    with started(repository, command, environment, runs.root / "log") as run:
        assert run.end() == 0, (runs.root / "log").read_text()

    print(f"killed after steps {killed_at}")
    assert killed_at[-1] < STEPS
    compare(runs, undisturbed)
