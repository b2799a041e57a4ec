"""A killed run resumes exactly where it stopped."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tcan_core.errors import ConfigError, WeightsError
from tcan_core.training.checkpoint import load_checkpoint, save_checkpoint
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.loop import train
from tcan_core.training.stages import STAGES
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent

STEPS, KILLED_AT = 6, 4


class KilledError(Exception):
    """Raised in place of a real kill."""


def train_until_killed(stage: Any) -> list[float]:
    """Train, keeping a checkpoint after every step, and end in the middle of step `KILLED_AT`."""
    losses: list[float] = []

    def report(step: int, scalars: dict[str, float]) -> None:
        if step == KILLED_AT:
            raise KilledError
        losses.append(scalars["loss"])

    with pytest.raises(KilledError):
        train(stage, stage.config.run, stage.config.optimizer, False, report)
    return losses


def equal(first: Any, second: Any) -> bool:
    """Compare nested states to the last bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return set(first) == set(second) and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name == "stage2" else pytest.mark.slow)
        for name in STAGES
    ],
)
def test_a_killed_run_resumes_bit_exactly(runs: TinyRuns, name: str) -> None:
    changes: dict[str, Any] = {"steps": STEPS, "checkpoint_every_s": 0.0, "decay_steps": 3}
    undisturbed = TinyRuns(runs.root / "undisturbed", runs.cache)
    shutil.copytree(runs.parts, undisturbed.parts)

    expected = [now["loss"] for now in undisturbed.train(name, **changes)]
    losses = train_until_killed(runs.stage(name, **changes))
    assert load_checkpoint(runs.root / name / "checkpoint.pt")["step"] == KILLED_AT - 1
    losses += [now["loss"] for now in runs.train(name, resume=True, **changes)]

    assert losses == expected
    states = [load_checkpoint(one.root / name / "checkpoint.pt") for one in (runs, undisturbed)]
    assert equal(*states)
    for part in undisturbed.parts.iterdir():
        assert part.read_bytes() == (runs.parts / part.name).read_bytes(), part.name


def test_resuming_a_finished_run_does_nothing(runs: TinyRuns) -> None:
    runs.train("prior", steps=2)

    assert runs.train("prior", steps=2, resume=True) == []


def test_resuming_without_a_checkpoint_starts_a_new_run(runs: TinyRuns) -> None:
    (runs.root / "prior").mkdir()
    (runs.root / "prior" / "checkpoint.partial").write_bytes(b"killed while this was written")

    assert len(runs.train("prior", steps=2, resume=True)) == 2


def test_an_existing_checkpoint_is_never_overwritten_or_rewound(runs: TinyRuns) -> None:
    runs.train("autoencoder", steps=3)
    checkpoint = runs.root / "autoencoder" / "checkpoint.pt"
    before = checkpoint.read_bytes()

    with pytest.raises(ConfigError, match="exists from an earlier run; continue it with --resume"):
        runs.train("autoencoder", steps=3)
    with pytest.raises(ConfigError, match="is at step 3, but this run has only 2 steps"):
        runs.train("autoencoder", steps=2, resume=True)

    assert checkpoint.read_bytes() == before


def test_a_checkpoint_of_another_run_is_rejected(runs: TinyRuns) -> None:
    runs.train("prior", steps=1)
    (runs.root / "prior").rename(runs.root / "stage1")

    with pytest.raises(WeightsError, match=r"stage1/checkpoint.pt: keys \d+ missing"):
        runs.train("stage1", resume=True)


def test_a_checkpoint_is_written_atomically(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})

    with pytest.raises(AttributeError, match="pickle"):
        save_checkpoint(path, {"weights": torch.zeros(1000), "step": lambda: None})

    assert load_checkpoint(path) == {"step": 1}


def test_files_that_are_not_checkpoints_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(WeightsError, match="no checkpoint to resume from"):
        load_checkpoint(path)
    save_checkpoint(path, {"weights": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(WeightsError, match="not a checkpoint of tcan"):
        load_checkpoint(path)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"step": Path("/tmp")}, path)

    with pytest.raises(WeightsError, match="not a checkpoint of tcan"):
        load_checkpoint(path)


def test_a_checkpoint_is_memory_mapped_and_released_after_loading(tmp_path: Path) -> None:
    """Each process of a machine would otherwise hold all of it in memory of its own."""
    run = RunConfig(str(tmp_path), str(tmp_path), steps=2, batch_size=8, log_every=1)
    train(Lines(), run, OptimizerConfig(), False, silent)
    checkpoint = str(tmp_path / "checkpoint.pt")
    mapped: list[bool] = []

    def look(*_: object) -> None:
        mapped.append(checkpoint in Path("/proc/self/maps").read_text())

    state = load_checkpoint(Path(checkpoint))
    look()
    assert state["step"] == 2
    del state
    train(Lines(), replace(run, steps=3), OptimizerConfig(), True, look)

    assert mapped == [True, False]
