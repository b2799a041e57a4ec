"""Training commands by name: the configuration and the stage of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tcan_core.config import load_config, save_config
from tcan_core.errors import ConfigError, WeightsError
from tcan_core.models.devices import check_device
from tcan_core.models.weights.part_files import has_part
from tcan_core.models.weights.presets import REFUSE, check_name, load_preset
from tcan_core.training.autoencoder import AutoencoderConfig, AutoencoderStage
from tcan_core.training.base_weights import BaseFile, check_base, find_base, record_base
from tcan_core.training.checkpoint import CHECKPOINT
from tcan_core.training.config import RunConfig
from tcan_core.training.distributed import barrier, join_processes, local_rank, rank
from tcan_core.training.loop import train
from tcan_core.training.mirror import Mirror
from tcan_core.training.open_storage import open_storage
from tcan_core.training.pose_detector import PoseDetectorConfig, PoseDetectorStage
from tcan_core.training.preset_export import export_preset
from tcan_core.training.prior import PriorConfig, PriorStage
from tcan_core.training.ranges import check_ranges
from tcan_core.training.resume_check import check_resumed, flat
from tcan_core.training.shard_data import fetch_shards
from tcan_core.training.stage1 import Stage1, Stage1Config
from tcan_core.training.stage2 import Stage2, Stage2Config

CONFIGS_FOLDER = Path(__file__).parent / "configs"
CONFIG = "config.yaml"  # in the output of a run
SUFFIXES = (".yaml", ".yml")
STAGES: dict[str, tuple[type[Any], Any]] = {
    "autoencoder": (AutoencoderConfig, AutoencoderStage),
    "pose-detector": (PoseDetectorConfig, PoseDetectorStage),
    "prior": (PriorConfig, PriorStage),
    "stage1": (Stage1Config, Stage1),
    "stage2": (Stage2Config, Stage2),
}

# The command that trains a part on which later ones build, in the order of training.
WRITERS = {
    "vae": "autoencoder",
    "denoising_unet": "prior",
    "controlnet": "prior",
    "reference_unet": "stage1",
    "lora": "stage1",
}


class OpenedRun(NamedTuple):
    """A stage with its data, the frozen weights that it builds on, and the copy of its outputs."""

    stage: Any
    base: dict[str, BaseFile]
    mirror: Mirror | None


def run_stage(
    name: str,
    config: str,
    resume: bool,
    report: Callable[[int, int, dict[str, float]], None],
    overrides: Sequence[str] = (),
) -> tuple[RunConfig, int]:
    """Run one training command from its YAML to the end.

    Args:
        name: one of `STAGES`.
        config: the path of a YAML, or the name of a shipped one, such as `sd15/stage1`.
        report: called with step, steps and scalars, in the first process.
        overrides: values that replace those of the YAML, such as `run.steps=100`.

    Returns:
        The run, which names its folders, and its last step.

    Raises:
        ConfigError: unknown stage, the configuration is wrong, or a resumed run has another.
        ParameterError: this machine does not have the configured device.
        WeightsError: an earlier stage's parts are missing, or the checkpoint does not fit.
        StorageError: a remote storage does not answer.
        NotFiniteError: training diverged; the last finite state was saved.
        CanceledError: SIGTERM arrived; a checkpoint was saved.
    """
    settings = read_stage_config(name, config, overrides)
    run: RunConfig = settings.run
    stage, base, mirror = open_run(name, settings, resume)
    done = train(
        stage,
        run,
        settings.optimizer,
        resume,
        lambda step, scalars: report(step, run.steps, scalars),
        mirror.try_to_push if mirror else lambda: None,
        lambda: _record(settings, base),
        {key: str(value) for key, value in flat(settings).items()},
    )
    if rank() == 0:
        if run.export_preset:
            export_preset(settings.preset, Path(run.export), run.export_preset, base)
        if mirror:
            mirror.push()
    return run, done


def open_run(name: str, settings: Any, resume: bool) -> OpenedRun:
    """Join the processes, fetch what is remote, and open weights and data.

    Raises:
        TcanError: as `run_stage`, before its first step.
    """
    run: RunConfig = settings.run
    check_device(run.device)
    join_processes(run.device)
    mirror = _open_mirror(run)
    if local_rank() == 0:
        if mirror:
            mirror.pull()
        fetch_shards(settings)
    barrier()
    output = Path(run.output)
    is_resumed = resume and (output / CHECKPOINT).exists()
    if rank() == 0 and is_resumed:
        check_resumed(settings, output / CONFIG)
    stage = _in_turn(lambda: _open(name, settings))
    base = dict[str, BaseFile]()
    if rank() == 0:
        base = find_base(stage.preset, stage.base, run.part_folders)
        if is_resumed:
            check_base(output, base)
    return OpenedRun(stage, base, mirror)


def read_stage_config(name: str, config: str, overrides: Sequence[str] = ()) -> Any:
    """Read the configuration of a training command, and check that its preset can be read.

    Raises:
        ConfigError: unknown stage, no such configuration, or a value is wrong.
    """
    if name not in STAGES:
        raise ConfigError(f"no training stage {name!r}; there are {', '.join(STAGES)}")
    path = find_config(config)
    settings = load_config(path, STAGES[name][0], overrides)
    check_ranges(settings, str(path))
    load_preset(settings.preset)
    if settings.run.export_preset:
        check_name(settings.run.export_preset)
    return settings


def find_config(name: str) -> Path:
    """Return the file of a configuration given by its path or by its name.

    Raises:
        ConfigError: no shipped configuration has this name.
    """
    if name.endswith(SUFFIXES):
        return Path(name)
    path = CONFIGS_FOLDER / f"{name}.yaml"
    if not path.is_file():
        shipped = sorted(
            file.relative_to(CONFIGS_FOLDER).with_suffix("").as_posix()
            for file in CONFIGS_FOLDER.rglob("*.yaml")
        )
        raise ConfigError(
            f"no configuration {name!r}; shipped are {', '.join(shipped)}, "
            "or give the path of a YAML"
        )
    return path


def _open(name: str, settings: Any) -> Any:
    _check_earlier_stages(name, settings)
    stage = STAGES[name][1](settings)
    stage.open_data()
    return stage


def _check_earlier_stages(name: str, settings: Any) -> None:
    """Raise WeightsError if frozen parts are missing that other commands train, naming those."""
    preset, folders = load_preset(settings.preset), settings.run.part_folders
    if None in folders:
        return  # the preset's own weights are pulled or imported, not trained
    missing = [
        part
        for part in STAGES[name][1].base
        if part in WRITERS and part in preset.parts and preset.parts[part].absent == REFUSE
        if not has_part(preset, part, folders)
    ]
    if missing:
        commands = dict.fromkeys(_command(WRITERS[part], settings.preset) for part in missing)
        places = " and ".join(dict.fromkeys(map(str, folders)))
        raise WeightsError(
            f"{places}: no weights for {', '.join(missing)}; first run {', then '.join(commands)}"
        )


def _command(stage: str, preset: str) -> str:
    shipped = f"{preset}/{stage}"
    has_config = (CONFIGS_FOLDER / f"{shipped}.yaml").is_file()
    return f"`tcan train {stage} --config {shipped if has_config else 'FILE'}`"


def _record(settings: Any, base: dict[str, BaseFile]) -> None:
    """Write what a run is started with to its output."""
    output = Path(settings.run.output)
    save_config(settings, output / CONFIG)
    record_base(output, base)


def _open_mirror(run: RunConfig) -> Mirror | None:
    if run.remote is None:
        return None
    output, export = Path(run.output), Path(run.export)
    return Mirror(open_storage(run.remote), {output.name: output, "parts": export})


def _in_turn(build: Callable[[], Any]) -> Any:
    """Build in rank 0 first, then in one process of each machine, then in the others.

    Later processes use the caches that earlier ones wrote.
    """
    turn = 0 if rank() == 0 else 1 if local_rank() == 0 else 2
    built = None
    for current in range(3):
        if current == turn:
            built = build()
        barrier()
    return built
