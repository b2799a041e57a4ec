"""Training commands by name: which configuration and which stage belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tcan_core.config import load_config, save_config
from tcan_core.errors import ConfigError
from tcan_core.training.autoencoder import AutoencoderConfig, AutoencoderStage
from tcan_core.training.distributed import join_processes, rank, wait_for_all
from tcan_core.training.loop import train
from tcan_core.training.pose_detector import PoseDetectorConfig, PoseDetectorStage
from tcan_core.training.prior import PriorConfig, PriorStage
from tcan_core.training.ranges import check_ranges
from tcan_core.training.stage1 import Stage1, Stage1Config
from tcan_core.training.stage2 import Stage2, Stage2Config

STAGES: dict[str, tuple[type[Any], Callable[[Any], Any]]] = {
    "autoencoder": (AutoencoderConfig, AutoencoderStage),
    "pose-detector": (PoseDetectorConfig, PoseDetectorStage),
    "prior": (PriorConfig, PriorStage),
    "stage1": (Stage1Config, Stage1),
    "stage2": (Stage2Config, Stage2),
}


def run_stage(
    name: str, config_path: Path, resume: bool, report: Callable[[int, int, dict[str, float]], None]
) -> None:
    """Run one training command from its YAML to the end.

    Args:
        name: one of `STAGES`.
        report: called with step, steps and scalars.

    Raises:
        ConfigError: unknown stage, or the configuration is wrong.
        WeightsError: an earlier stage's parts are missing, or the checkpoint does not fit.
    """
    if name not in STAGES:
        raise ConfigError(f"no training stage {name!r}; there are {', '.join(STAGES)}")
    config_class, stage_class = STAGES[name]
    config = load_config(config_path, config_class)
    check_ranges(config, str(config_path))
    join_processes()
    if rank() == 0:
        save_config(config, Path(config.run.output) / "config.yaml")
    stage = _in_turn(lambda: stage_class(config))
    train(
        stage,
        config.run,
        config.optimizer,
        resume,
        lambda step, scalars: report(step, config.run.steps, scalars),
    )


def _in_turn(build: Callable[[], Any]) -> Any:
    """Build on the first process, then on the others, which find its caches in place."""
    if rank() > 0:
        wait_for_all()
        return build()
    built = build()
    wait_for_all()
    return built
