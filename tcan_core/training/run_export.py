"""Export of a run's trained parts from one of its checkpoints, without its data."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import torch

from tcan_core.config import load_config, read_yaml
from tcan_core.errors import ConfigError
from tcan_core.models.weights.keys import check_keys
from tcan_core.training.base_weights import check_base, find_base
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.kept_checkpoints import KeptCheckpoints
from tcan_core.training.preset_export import export_preset
from tcan_core.training.stages import CONFIG, STAGES


def export_run(output: Path, checkpoint: str) -> tuple[int, Path]:
    """Write the trained parts of a checkpoint to the run's `export`, and its preset if it has one.

    Args:
        output: `run.output` of the run.
        checkpoint: "best", "last" or a step.

    Returns:
        The step of the checkpoint, and the folder of the parts.

    Raises:
        ConfigError: the folder is not a run's, or has no such checkpoint.
        WeightsError: the checkpoint is damaged, or frozen weights are others than in training.
    """
    path = output / CONFIG
    config_class, stage_class = STAGES[_stage_of(path)]
    settings = load_config(path, config_class)
    run = replace(settings.run, device="cpu")
    file = KeptCheckpoints(output, run.keep_checkpoints).find(checkpoint)
    state = load_checkpoint(file)

    stage = stage_class(replace(settings, run=run))
    base = find_base(stage.preset, stage.base, run.part_folders)
    check_base(output, base)
    weights = state["average" if settings.optimizer.ema_decay else "parameters"]
    named = stage.trained.named_parameters()
    parameters = {name: value for name, value in named if value.requires_grad}
    check_keys(str(file), parameters, weights)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(weights[name])
    stage.export(Path(run.export))
    if run.export_preset:
        export_preset(settings.preset, Path(run.export), run.export_preset, base)
    return int(state["step"]), Path(run.export)


def _stage_of(path: Path) -> str:
    """Return the stage whose configuration has the keys of this file.

    A run's file has every key of its stage, or of the stage in an earlier release.
    """
    content = read_yaml(path)
    keys = {name: {field.name for field in fields(kind)} for name, (kind, _) in STAGES.items()}
    matching = [name for name in STAGES if isinstance(content, dict) and set(content) <= keys[name]]
    if not matching:
        raise ConfigError(f"{path}: not the configuration of a training run")
    return min(matching, key=lambda name: len(keys[name]))
