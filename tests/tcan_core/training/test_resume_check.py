"""A resumed run has the values that it was started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tcan_core.config import save_config
from tcan_core.errors import ConfigError
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.loop import train
from tcan_core.training.resume_check import check_resumed
from tcan_core.training.stages import run_stage
from tcan_core.training.validation import ValidationConfig
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent


def test_a_refused_start_changes_nothing(runs: TinyRuns, caplog: pytest.LogCaptureFixture) -> None:
    config, kept = runs.root / "mine.yaml", runs.root / "autoencoder" / "config.yaml"

    def start(resume: bool, **changes: Any) -> None:
        save_config(runs.config("autoencoder", **changes), config)
        run_stage("autoencoder", str(config), resume, lambda *_: None)

    start(False, steps=1)
    before = kept.read_bytes()
    with pytest.raises(ConfigError, match="exists from an earlier run"):
        start(False, steps=2)
    with pytest.raises(
        ConfigError,
        match=r"optimizer.learning_rate: 0.001 before, 0.5 now.*These may change: run.steps, ",
    ):
        start(True, steps=2, learning_rate=0.5)
    assert kept.read_bytes() == before

    start(True, steps=2)
    assert "resuming with other values: run.steps: 1 before, 2 now" in caplog.text
    assert kept.read_bytes() != before


def test_only_values_that_change_no_sample_and_no_weight_may_differ(runs: TinyRuns) -> None:
    previous = runs.root / "config.yaml"
    save_config(runs.config("stage1"), previous)
    validation = ValidationConfig(data=PuppetData())
    moved = PuppetData(characters=6, frames=3, size=32, cache="elsewhere")

    check_resumed(runs.config("stage1"), runs.root / "missing.yaml")
    check_resumed(runs.config("stage1", validation=validation, log_every=9, data=moved), previous)
    changes: list[dict[str, Any]] = [{"seed": 3}, {"data": PuppetData()}, {"reference_dropout": 1}]
    for change in changes:
        with pytest.raises(ConfigError, match=f"{next(iter(change))}.* before, .* now"):
            check_resumed(runs.config("stage1", **change), previous)


def test_a_resumed_run_has_as_many_samples_per_step(tmp_path: Path) -> None:
    def start(batch_size: int, accumulation_steps: int, resume: bool = True) -> None:
        run = RunConfig(str(tmp_path), str(tmp_path), steps=2, batch_size=batch_size)
        config = OptimizerConfig(accumulation_steps=accumulation_steps)
        train(Lines(), run, config, resume, silent)

    start(4, 2, resume=False)
    start(2, 4)
    with pytest.raises(ConfigError, match="steps have 8 samples, but batch_size 4 x .* are 4; "):
        start(4, 1)
