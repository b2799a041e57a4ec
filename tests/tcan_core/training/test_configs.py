"""Configurations: every shipped one loads, and what is wrong in one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import tcan_core.training
from tcan_core.config import load_config, save_config
from tcan_core.errors import ConfigError, WeightsError
from tcan_core.training.config import FolderData, PuppetData
from tcan_core.training.stage1 import Stage1Config
from tcan_core.training.stages import STAGES, run_stage
from tests.tcan_core.tiny_weights import TINY
from tests.tcan_core.training.conftest import TinyRuns

CONFIGS = Path(tcan_core.training.__file__).parent / "configs"
SHIPPED = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


def stage_of(path: str) -> str:
    """`autoencoder.decoder.yaml` is another configuration of the autoencoder's stage."""
    name = Path(path).name.split(".")[0].replace("_", "-")
    return "stage1" if name == "finetune" else name


def test_every_stage_ships_a_configuration() -> None:
    by_preset = {
        preset: {stage_of(path) for path in SHIPPED if path.startswith(f"{preset}/")}
        for preset in ("mini", "sd15", "moore")
    }

    assert by_preset == {
        "mini": set(STAGES),
        "sd15": {"stage1", "stage2"},
        "moore": {"stage1"},
    }
    assert len(SHIPPED) == 6 + 2 * 2 + 3


@pytest.mark.parametrize("path", SHIPPED)
def test_every_shipped_configuration_loads(path: str, tmp_path: Path) -> None:
    config_class, _ = STAGES[stage_of(path)]

    config = load_config(CONFIGS / path, config_class)

    assert config.preset == path.split("/")[0]
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml", config_class) == config


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_full_size_stages_have_the_methods_hyperparameters(stage: str) -> None:
    config: Any = load_config(CONFIGS / f"sd15/{stage}.yaml", STAGES[stage][0])

    optimizer, folders = config.optimizer, config.folders
    assert (optimizer.learning_rate, optimizer.weight_decay, optimizer.max_grad_norm) == (
        1e-5,
        0.01,
        1,
    )
    assert (optimizer.warmup_steps, optimizer.decay_steps) == (0, 0)
    assert config.run.batch_size == {"stage1": 2, "stage2": 1}[stage]
    assert (folders.size, folders.crop_scale, len(folders.left_out)) == (512, (0.9, 1.0), 10)
    assert config.reference_dropout == 0.1
    held_out = config.validation.folders
    assert (held_out.root, held_out.only) == (folders.root, folders.left_out)
    assert config.run.export_preset == "sd15-tiktok"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"learning_rate": 1e-4},
            "unknown key learning_rate; known are data, folders, shards, preset, run",
        ),
        (
            {"run": {"output": "o", "export": "e", "steps": "all", "batch_size": 1}},
            "run: steps: exp",
        ),
        (
            {
                "run": {
                    "output": "o",
                    "export": "e",
                    "steps": 1,
                    "batch_size": 1,
                    "precision": "fp8",
                }
            },
            "run: precision: expected one of 'fp32', 'bf16', 'fp16', got 'fp8'",
        ),
        ({"data": {"puppets": 3}}, "data: unknown key puppets; known are characters, frames"),
        ({"data": None}, "set exactly one of `data` .*; got"),
        ({"folders": {"root": "clips"}}, "set exactly one of `data` .*; got"),
        (
            {"data": None, "folders": {"root": "c", "crop_scale": [0.5, 2]}},
            "folders: crop_scale is .0.5",
        ),
        (
            {"data": None, "folders": {"root": "c", "left_out": ["a"], "only": ["b", "a"]}},
            "folders: a: listed in both `only` and `left_out`",
        ),
        (
            {"data": None, "folders": {"root": "c", "left_out": [201_002]}},
            "folders: left_out: expected str",
        ),
    ],
)
def test_invalid_configurations_are_rejected_with_the_key(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "stage1.yaml"
    good = {
        "preset": "mini",
        "run": {"output": "o", "export": "e", "steps": 1, "batch_size": 1},
        "data": {"characters": 3},
    }
    path.write_text(yaml.safe_dump(good | change))

    with pytest.raises(ConfigError, match=rf"stage1.yaml: {message}"):
        load_config(path, Stage1Config)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": {"learning_rate": "5e-4"}}, "expected float, got '5e-4', .*write 5.0e-4"),
        ({"optimizer": {"epsilon": "1.5e8"}}, "expected float, got '1.5e8', .*write 1.5e+8"),
        ({"run": {"steps": "1e5"}}, "expected int, got '1e5', which .*; write 100000"),
        ({"optimizer": {"learning_rate": "fast"}}, "expected float, got 'fast'$"),
    ],
)
def test_a_number_that_yaml_reads_as_text_is_named_as_it_must_be_written(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = tmp_path / "stage1.yaml"
    run = {"output": "o", "export": "e", "steps": 1, "batch_size": 1} | change.pop("run", {})
    path.write_text(yaml.safe_dump({"preset": "mini", "run": run, "data": {}} | change))
    path.write_text(path.read_text().replace("'", ""))  # as people write it

    with pytest.raises(ConfigError, match=message.replace("+", r"\+")):
        load_config(path, Stage1Config)


@pytest.mark.parametrize("stage", ["stage1", "autoencoder"])
def test_a_size_that_the_autoencoder_cannot_encode_is_rejected(runs: TinyRuns, stage: str) -> None:
    data = PuppetData(characters=2, frames=2, size=70, cache=str(runs.root))
    with pytest.raises(
        ConfigError, match="size is 70; it must be a multiple of 8, such as 64 or 72"
    ):
        runs.stage(stage, data=data)


def test_a_stage_names_the_commands_that_come_first(
    runs: TinyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runs.root)  # a fresh clone has no runs/mini/parts
    with pytest.raises(
        WeightsError,
        match="^runs/mini/parts: no weights for vae, denoising_unet, controlnet; first run `tcan "
        "train autoencoder --config mini/autoencoder`, then `tcan train prior --config mini/prior`",
    ):
        run_stage("stage1", "mini/stage1", False, lambda *_: None)


def test_a_run_keeps_its_resolved_configuration(runs: TinyRuns) -> None:
    config = runs.config("stage1", steps=1)
    save_config(config, runs.root / "mine.yaml")

    run_stage("stage1", str(runs.root / "mine.yaml"), False, lambda step, steps, scalars: None)

    assert load_config(runs.root / "stage1" / "config.yaml", Stage1Config) == config


def test_unknown_stage_and_missing_parts_are_rejected(runs: TinyRuns) -> None:
    with pytest.raises(
        ConfigError, match="no training stage 'stage3'; there are autoencoder, pose"
    ):
        run_stage("stage3", "any.yaml", False, lambda step, steps, scalars: None)
    (runs.parts / "controlnet.safetensors").unlink()
    with pytest.raises(WeightsError, match="preset tiny: no weights for controlnet at"):
        runs.stage("stage1")


@pytest.mark.long
def test_stage2_without_stage1_needs_an_explicit_setting(runs: TinyRuns, tmp_path: Path) -> None:
    preset = yaml.safe_load(TINY.read_text())
    preset["parts"]["lora"]["absent"] = "leave_out"
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(preset))
    runs.stage("stage2", preset=str(path))

    (runs.parts / "lora.safetensors").unlink()
    with pytest.raises(WeightsError, match="no weights for lora at .*`without_stage1: true`"):
        runs.stage("stage2", preset=str(path))
    runs.stage("stage2", preset=str(path), without_stage1=True)


def test_parts_not_exported_are_read_from_the_parts_folder(runs: TinyRuns, weights: Path) -> None:
    (runs.parts / "controlnet.safetensors").unlink()

    stage = runs.stage("stage1", parts=str(weights))

    assert isinstance(stage.config.data, PuppetData)


@pytest.mark.parametrize(
    ("stage", "data", "message"),
    [
        ("stage1", {"frames": 1}, "1 target frames need at least 2 images per puppet"),
        ("stage2", {"frames": 6, "consecutive": True}, "6 target frames need at least 7 images"),
        ("stage2", {"frames": 9}, "`consecutive: true` for more than one target frame"),
        ("prior", {"frames": 60}, r"frames is 60; it must be in 1..49"),
        (
            "prior",
            {"characters": 9, "first_seed": 999_992},
            "training seeds must be below 1000000",
        ),
    ],
)
def test_invalid_puppet_data_is_rejected(
    runs: TinyRuns, stage: str, data: dict[str, Any], message: str
) -> None:
    puppets: dict[str, Any] = {"characters": 2, "size": 32, "cache": str(runs.root)} | data

    with pytest.raises(ConfigError, match=message):
        runs.stage(stage, data=PuppetData(**puppets))


def test_folders_and_puppets_are_mutually_exclusive(runs: TinyRuns) -> None:
    with pytest.raises(ConfigError, match="got data, folders"):
        runs.config("stage2", folders=FolderData("clips"))
