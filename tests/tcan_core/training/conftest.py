"""Runs at tiny width: a few puppets, random weights, and every stage's configuration."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.loop import train
from tcan_core.training.stages import STAGES
from tests.tcan_core.tiny_weights import TINY

OPTIMIZER = OptimizerConfig(learning_rate=1e-3, warmup_steps=2, ema_decay=0.9)
EXTRAS: dict[str, dict[str, Any]] = {"stage1": {"reference_dropout": 0.5}}
EXTRAS["stage2"] = EXTRAS["stage1"] | {"num_frames": 6}


@dataclass(frozen=True)
class TinyRuns:
    """A factory of configurations and stages whose runs share one folder.

    Attributes:
        root: of checkpoints, sheets and parts.
        cache: of drawn puppets, shared by all tests.
    """

    root: Path
    cache: Path

    @property
    def parts(self) -> Path:
        """The folder of exported parts."""
        return self.root / "parts"

    def config(self, name: str, **changes: Any) -> Any:
        """Return the configuration of a stage, with changes to any of its parts."""
        run = RunConfig(
            output=str(self.root / name), export=str(self.parts), steps=4, batch_size=4,
            log_every=1, sheet_every=1000,
        )  # fmt: skip
        data = PuppetData(characters=6, frames=3, size=32, cache=str(self.cache))
        if name == "stage2":
            data = replace(data, characters=3, frames=9, consecutive=True)
        fields = {"preset": str(TINY), "run": run, "data": data, "optimizer": OPTIMIZER}
        for key, value in (EXTRAS.get(name, {}) | changes).items():
            part = next((part for part in ("run", "optimizer") if hasattr(fields[part], key)), None)
            if part:
                fields[part] = replace(fields[part], **{key: value})  # type: ignore[type-var]
            else:
                fields[key] = value
        return STAGES[name][0](**fields)

    def stage(self, name: str, **changes: Any) -> Any:
        """Return a stage, ready to train."""
        stage = STAGES[name][1](self.config(name, **changes))
        stage.open_data()
        return stage

    def train(self, name: str, *, resume: bool = False, **changes: Any) -> list[dict[str, float]]:
        """Train a fresh stage and return the scalars of each step."""
        return self.go_on(self.stage(name, **changes), resume=resume)

    def go_on(self, stage: Any, *, resume: bool = False) -> list[dict[str, float]]:
        """Train a stage and return the scalars of each step."""
        scalars: list[dict[str, float]] = []
        config = stage.config
        train(stage, config.run, config.optimizer, resume, lambda _, now: scalars.append(now))
        return scalars


@pytest.fixture(scope="session")
def puppet_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Puppets are drawn once for all tests."""
    return tmp_path_factory.mktemp("puppets")


@pytest.fixture
def runs(tmp_path: Path, weights: Path, puppet_cache: Path) -> TinyRuns:
    """Runs in a folder of their own, with a copy of the random weights to begin from."""
    shutil.copytree(weights, tmp_path / "parts")
    return TinyRuns(tmp_path, puppet_cache)
