"""The loop: clipping, accumulation, averages, rates and what a run leaves behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]
from torch import nn

from media.image import read_image
from tcan_core.errors import ConfigError
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.ema import WeightAverage
from tcan_core.training.loop import train
from tcan_core.training.optimizers import learning_rate
from tcan_core.training.stages import STAGES
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent


def run_in(folder: Path, **changes: Any) -> RunConfig:
    return RunConfig(str(folder), str(folder), **({"steps": 3, "batch_size": 8} | changes))


def test_accumulated_batches_equal_a_big_one(tmp_path: Path) -> None:
    big, small = Lines(), Lines()
    losses: list[float] = []

    for stage, name, parts in ((big, "big", 1), (small, "small", 4)):
        config = OptimizerConfig(learning_rate=0.1, warmup_steps=0, accumulation_steps=parts)
        run = run_in(tmp_path / name, log_every=1, batch_size=8 // parts)
        train(stage, run, config, False, lambda _, now: losses.append(now["loss"]))

    torch.testing.assert_close(small.line.weight, big.line.weight, rtol=1e-5, atol=1e-6)
    assert losses[3:] == pytest.approx(losses[:3], rel=1e-5)


@pytest.mark.parametrize("name", STAGES)
def test_clipping_covers_every_trained_parameter(runs: TinyRuns, name: str) -> None:
    # With so large an epsilon, AdamW's first step is the clipped gradient times rate / epsilon.
    stage = runs.stage(
        name, steps=1, epsilon=1e6, learning_rate=1e6, weight_decay=0.0, warmup_steps=0,
        max_grad_norm=1e-3, ema_decay=0.0,
    )  # fmt: skip
    before = {key: value.detach().clone() for key, value in stage.trained.named_parameters()}

    [scalars] = runs.go_on(stage)

    moved = {key: value.detach() - before[key] for key, value in stage.trained.named_parameters()}
    norm = torch.stack([step.double().norm() for step in moved.values()]).norm()
    assert scalars["grad_norm"] > 1e-3
    assert float(norm) == pytest.approx(1e-3, rel=0.01)


def test_the_learning_rate_warms_up_holds_and_decays(tmp_path: Path) -> None:
    rates: list[float] = []
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=4, decay_steps=5)

    run = run_in(tmp_path, steps=12, log_every=1)
    train(Lines(), run, config, False, lambda _, now: rates.append(now["learning_rate"]))

    assert rates == pytest.approx(
        [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.82, 0.64, 0.46, 0.28], rel=1e-6
    )


def test_the_learning_rate_is_constant_without_decay_steps(tmp_path: Path) -> None:
    rates: list[float] = []
    config = OptimizerConfig(learning_rate=0.5, warmup_steps=0)

    run = run_in(tmp_path, log_every=1)
    train(Lines(), run, config, False, lambda _, now: rates.append(now["learning_rate"]))

    assert rates == [0.5, 0.5, 0.5]


def test_cosine_falls_to_nothing_after_warm_up_or_at_the_end() -> None:
    whole = OptimizerConfig(learning_rate=2.0, warmup_steps=4, schedule="cosine")
    late = replace(whole, decay_steps=4)

    rates = [learning_rate(whole, step, 12) for step in (0, 3, 4, 8)]
    assert rates == pytest.approx([0.5, 2.0, 2.0, 1.0])
    assert [learning_rate(late, step, 12) for step in (4, 8, 10)] == pytest.approx([2.0, 2.0, 1.0])
    assert 0 < learning_rate(whole, 11, 12) < 0.1


def test_constant_schedule_warms_up_and_has_no_decay_steps() -> None:
    config = OptimizerConfig(learning_rate=2.0, warmup_steps=4, schedule="constant")

    assert [learning_rate(config, step, 9) for step in (0, 1, 3, 8)] == [0.5, 1.0, 2.0, 2.0]
    with pytest.raises(ConfigError, match="schedule is 'constant', but decay_steps is 5"):
        replace(config, decay_steps=5)


class Scores:
    """Validation with given scores, one after each step."""

    every, patience = 1, 2

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def __call__(self, folder: Path) -> dict[str, float]:
        """Return the score of the step."""
        return {"moving_region_psnr": self.scores[int(folder.name) - 1]}


def test_run_ends_after_validations_without_a_better_one(tmp_path: Path) -> None:
    stage: Any = Lines()
    stage.validation = Scores([1.0, 3.0, 2.0, 3.0, 9.0, 9.0])
    run = run_in(tmp_path, steps=6)

    assert train(stage, run, OptimizerConfig(), False, silent) == 4
    assert load_checkpoint(tmp_path / "best.pt")["step"] == 2
    assert train(stage, run, OptimizerConfig(), True, silent) == 4  # it is still at its end


def test_trackers_get_scalars_and_the_configuration(tmp_path: Path) -> None:
    trackers: Any = ("tensorboard",)  # the one of accelerate's that is installed
    run = run_in(tmp_path, steps=2, log_every=1, trackers=trackers, project="ours")

    train(Lines(), run, OptimizerConfig(), False, silent, described={"run.steps": "2"})

    events = event_accumulator.EventAccumulator(str(tmp_path / "ours"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    assert "run.steps: '2'" in next((tmp_path / "ours").rglob("hparams.yml")).read_text()


def test_tracker_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    run = run_in(tmp_path, trackers=("comet_ml",))

    with pytest.raises(ConfigError, match="trackers: comet_ml is not installed; run pip install"):
        train(Lines(), run, OptimizerConfig(), False, silent)


def test_the_average_follows_the_weights() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = WeightAverage({"weight": weight}, decay=0.9)

    expected = 0.0
    for step in range(30):
        with torch.no_grad():
            weight.add_(1)
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)

    torch.testing.assert_close(average.averages["weight"], torch.full((2,), expected))
    with average.applied():
        torch.testing.assert_close(weight.detach(), torch.full((2,), expected))
    assert weight.tolist() == [30, 30]


def test_parameters_are_restored_after_an_error_in_the_average_context() -> None:
    weight = nn.Parameter(torch.ones(1))
    average = WeightAverage({"weight": weight}, decay=0.9)
    with torch.no_grad():
        weight.add_(1)

    with pytest.raises(KeyError), average.applied():
        raise KeyError

    assert weight.tolist() == [2]


@pytest.mark.parametrize("ema_decay", [0.9, 0.0])
def test_the_average_is_exported_without_changing_the_training(
    tmp_path: Path, ema_decay: float
) -> None:
    stage = Lines()
    config = OptimizerConfig(learning_rate=0.1, warmup_steps=0, ema_decay=ema_decay)

    train(stage, run_in(tmp_path), config, False, silent)

    assert torch.equal(stage.exported[-1], stage.line.weight) is (ema_decay == 0)


def test_frozen_weights_do_not_change(tmp_path: Path) -> None:
    stage = Lines()
    before = stage.frozen.weight.clone()

    train(stage, run_in(tmp_path), OptimizerConfig(weight_decay=0.5), False, silent)

    assert torch.equal(stage.frozen.weight, before)


def test_a_run_writes_scalars_sheets_and_a_checkpoint(tmp_path: Path) -> None:
    reported: list[int] = []
    run = run_in(tmp_path, steps=5, log_every=2, sheet_every=2)

    train(Lines(), run, OptimizerConfig(), False, lambda step, _: reported.append(step))

    assert reported == [2, 4]
    sheets = sorted(path.name for path in (tmp_path / "sheets").iterdir())
    assert sheets == ["0000002.png", "0000004.png", "0000005.png"]
    assert np.array_equal(read_image(tmp_path / "sheets" / sheets[0]), np.full((16, 24, 3), 7))

    scalars = event_accumulator.EventAccumulator(str(tmp_path / "scalars"))
    scalars.Reload()
    names = {"loss", "grad_norm", "learning_rate", "height", "waiting"}
    assert names == set(scalars.Tags()["scalars"])
    assert [event.step for event in scalars.Scalars("loss")] == [2, 4]
    assert (tmp_path / "checkpoint.pt").exists()


@pytest.mark.parametrize("name", STAGES)
def test_every_stage_draws_a_sheet(runs: TinyRuns, name: str) -> None:
    runs.train(name, steps=1)

    sheet = read_image(runs.root / name / "sheets" / "0000001.png")

    assert min(sheet.shape[:2]) >= 32 and sheet.std() > 10


@pytest.mark.gpu
@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_stage_trains_on_a_gpu(runs: TinyRuns, name: str, precision: str) -> None:
    losses = [
        [now["loss"] for now in runs.train(name, steps=2, device=device, precision=precision)]
        for device in ("cuda", "cpu")
    ]

    assert losses[0] == pytest.approx(losses[1], rel=0.1)
