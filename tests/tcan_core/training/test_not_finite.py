"""A run stops, or skips a step, before a value that is not finite reaches its weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tcan_core.config import save_config
from tcan_core.errors import NotFiniteError
from tcan_core.training.__main__ import main
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.loop import train
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent
from tests.tcan_core.training.test_resume import equal


@dataclass(eq=False)
class FaultyLines(Lines):
    """Lines whose loss, or only its gradient, is not a number in some steps.

    Attributes:
        losses: steps with such a loss, from 1.
        gradients: steps with such a gradient.
        weights: steps after which a weight is infinite.
    """

    losses: tuple[int, ...] = ()
    gradients: tuple[int, ...] = ()
    weights: tuple[int, ...] = ()
    step: int = field(default=0)

    def __post_init__(self) -> None:
        super().__init__()

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        """See `Lines.loss`."""
        self.step += 1
        loss, scalars = super().loss(batch)
        if self.step in self.losses:
            return loss * math.nan, scalars
        if self.step in self.weights:
            self.line.weight.data[0, 0] = math.inf
        return loss + ((loss * 0).sqrt() if self.step in self.gradients else 0), scalars


def train_in(folder: Path, stage: Lines, resume: bool = False, **changes: Any) -> None:
    run = RunConfig(str(folder), str(folder), steps=changes.pop("steps", 8), batch_size=4)
    config = OptimizerConfig(**{"learning_rate": 0.1, "warmup_steps": 0} | changes)
    train(stage, run, config, resume, silent)


def state_in(folder: Path) -> dict[str, Any]:
    return load_checkpoint(folder / "checkpoint.pt")


@pytest.mark.parametrize(
    ("faults", "what"),
    [
        ({"losses": (5,)}, r"the loss of samples \[0, 1, 2, 3\] \(clips: point \d.*\)"),
        ({"gradients": (5,)}, r"the gradient \(norm nan\)"),
    ],
)
def test_a_loss_or_gradient_that_is_not_finite_stops_the_run_with_the_last_good_step(
    tmp_path: Path, faults: dict[str, Any], what: str
) -> None:
    train_in(tmp_path / "good", Lines(), steps=4)
    stage = FaultyLines(**faults)

    with pytest.raises(
        NotFiniteError, match=f"^step 5: {what} is not finite.*checkpoint.pt holds step 4"
    ):
        train_in(tmp_path / "bad", stage)

    assert stage.step == 5 and equal(state_in(tmp_path / "bad"), state_in(tmp_path / "good"))
    assert bool(torch.isfinite(stage.exported[-1]).all())


def test_skipped_steps_are_bounded_and_change_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train_in(tmp_path / "good", Lines(), steps=2)
    train_in(tmp_path / "bad", FaultyLines(losses=(3,)), steps=3, max_skipped_steps=1)
    good, bad = state_in(tmp_path / "good"), state_in(tmp_path / "bad")
    assert equal(good["parameters"], bad["parameters"])
    assert equal(good["optimizer"]["state"], bad["optimizer"]["state"])
    assert "step 3: the loss of samples" in caplog.text and "1 of at most 1" in caplog.text

    with pytest.raises(NotFiniteError, match="step 5: .* 1 steps were skipped before, allowed"):
        train_in(tmp_path / "bad", FaultyLines(losses=(2,)), resume=True, max_skipped_steps=1)
    assert (state_in(tmp_path / "bad")["step"], state_in(tmp_path / "bad")["skipped"]) == (4, [3])


@pytest.mark.parametrize(
    ("steps", "message"),
    [(2, "the trained weight line.weight is no longer finite"), (3, "checkpoint.pt holds step 1")],
)
def test_weights_that_are_not_finite_are_never_saved(
    tmp_path: Path, steps: int, message: str
) -> None:
    """They show after the last step, or in the loss of the next."""
    train_in(tmp_path, FaultyLines(), steps=1)
    before = (tmp_path / "checkpoint.pt").read_bytes()

    with pytest.raises(NotFiniteError, match=message):
        train_in(tmp_path, FaultyLines(weights=(1,)), resume=True, steps=steps)

    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_a_damaged_latent_ends_the_command_and_keeps_what_was_learned(
    runs: TinyRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    data = PuppetData(characters=2, frames=2, size=32, cache=str(runs.root / "cache"))
    config = str(runs.root / "config.yaml")
    save_config(runs.config("stage1", data=data, steps=4), Path(config))
    assert main(["stage1", "--config", config]) == 0
    closing = capsys.readouterr().out.splitlines()[-1]
    assert closing == (
        f"step 4 of 4 is done; trained parts: {runs.parts}; "
        f"checkpoints, scalars and sheets: {runs.root / 'stage1'}"
    )
    kept = [runs.parts / "lora.safetensors", runs.root / "stage1" / "checkpoint.pt"]
    before = [file.read_bytes() for file in kept]
    [latents] = (runs.root / "cache").rglob("latents-*.npy")
    np.save(latents, np.full_like(np.load(latents), np.nan))

    save_config(runs.config("stage1", data=data, steps=6), Path(config))
    assert main(["stage1", "--config", config, "--resume"]) == 1

    assert [file.read_bytes() for file in kept] == before
    assert "error: step 5: the loss of samples [0, 1, 2, 3] (clips: pup" in capsys.readouterr().err
