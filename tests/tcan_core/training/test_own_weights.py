"""Training begins from a preset's own weights, as README shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tcan_core.errors import WeightsError
from tcan_core.models.networks.lora import lora_state
from tcan_core.models.weights.part_files import find_part
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.training.config import RunConfig, folder_of
from tcan_core.training.stages import read_stage_config
from tests.tcan_core.tiny_weights import TINY
from tests.tcan_core.training.conftest import TinyRuns


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def option(words: list[str], name: str) -> str:
    """Return the value of a command line's option."""
    return words[words.index(name) + 1]


def readme_training(repository: Path) -> dict[str, list[str]]:
    """Return the command lines of README's training part, by their purpose."""
    text = (repository / "README.md").read_text()
    lines = re.findall(r"^\.venv/bin/\w+ .*(?:data prepare|stage\d) .*$", text, re.M)
    words = [shlex.split(line, comments=True) for line in lines]
    return {
        next(word for word in one if word in ("prepare", "stage1", "stage2")): one for one in words
    }


def test_the_commands_of_readme_find_data_and_weights(repository: Path, models: Path) -> None:
    commands, preset = readme_training(repository), load_preset("sd15")
    pulled = {name for name, part in preset.parts.items() if part.pull}
    (models / "sd15").mkdir(parents=True)
    for name in pulled:
        (models / "sd15" / f"{name}.safetensors").touch()
    prepared = commands["prepare"]
    assert option(prepared, "--preset") == "sd15"

    for stage in ("stage1", "stage2"):
        config = read_stage_config(stage, option(commands[stage], "--config"))

        assert config.preset == "sd15"
        assert config.shards.root == config.validation.shards.root == option(prepared, "--out")
        folders = config.run.part_folders
        assert {find_part(preset, name, folders).parent for name in pulled} == {models / "sd15"}
        begun = config.initial_reference if stage == "stage1" else config.initial_motion
        assert folder_of(begun) is None


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_shards_and_folders_both_train(stage: str) -> None:
    folders: Any = read_stage_config(stage, f"sd15/{stage}")
    shards: Any = read_stage_config(stage, f"sd15/{stage}.shards")

    data = {"folders": None, "shards": shards.shards, "validation": shards.validation}
    run = replace(folders.run, export_preset=shards.run.export_preset)
    assert replace(folders, run=run, **data) == shards
    assert (shards.shards.split, shards.validation.shards.split) == ("train", "validation")


def test_stages_start_from_pulled_or_imported_weights(
    runs: TinyRuns, weights: Path, models: Path
) -> None:
    shutil.rmtree(runs.parts)
    with pytest.raises(
        WeightsError, match="no weights for denoising_unet at .*; run `tcan models import"
    ):
        runs.stage("stage1")
    shutil.copytree(weights, models / "tiny")

    stage1 = runs.stage("stage1", initial_reference="preset", initial_lora="preset")
    stage2 = runs.stage("stage2", initial_motion="preset")

    for network, part in (
        (stage1.tcan.reference_unet, "reference_unet"),
        (stage2.tcan.denoising_unet, "motion_modules"),
        (stage2.tcan.controlnet, "controlnet_motion_modules"),
    ):
        given, found = load_file(weights / f"{part}.safetensors"), network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in given.items()), part


def test_initial_weights_of_a_preset_follow_its_rule_for_missing_parts(
    runs: TinyRuns, weights: Path, models: Path, tmp_path: Path
) -> None:
    shutil.copytree(weights, models / "tiny")
    for part in ("reference_unet", "lora"):
        (models / "tiny" / f"{part}.safetensors").unlink()
    rules = {"reference_unet": {"absent": "denoising_unet"}, "lora": {"absent": "leave_out"}}
    content = {"extends": str(TINY), "name": "mine", "parts": rules}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))

    stage = runs.stage(
        "stage1",
        preset=str(tmp_path / "mine.yaml"),
        initial_reference="preset",
        initial_lora="preset",
    )

    found = stage.tcan.reference_unet.state_dict()
    unet = load_file(weights / "denoising_unet.safetensors")
    assert all(torch.equal(value, unet[name]) for name, value in found.items())
    lora = lora_state(stage.tcan.denoising_unet)
    assert not any(value.any() for name, value in lora.items() if "lora_B" in name)
    with pytest.raises(WeightsError, match="no weights for reference_unet"):
        runs.stage("stage1", initial_reference=str(models / "tiny"))


def test_exported_parts_come_first_and_a_parts_folder_replaces_the_preset(
    runs: TinyRuns, tiny: Preset, weights: Path, models: Path
) -> None:
    shutil.copytree(weights, models / "tiny")
    (runs.parts / "vae.safetensors").unlink()

    folders = runs.config("stage2").run.part_folders

    assert find_part(tiny, "lora", folders).parent == runs.parts
    assert find_part(tiny, "vae", folders).parent == models / "tiny"
    named = runs.config("stage2", parts=str(runs.root)).run.part_folders
    with pytest.raises(
        WeightsError, match=f"no weights for vae at .*, {runs.root}/vae.safetensors$"
    ):
        find_part(tiny, "vae", named)


def test_a_preset_with_its_own_file_does_not_use_its_base(
    tiny: Preset, weights: Path, models: Path, tmp_path: Path
) -> None:
    shutil.copytree(weights, models / "tiny")
    content = {"extends": str(TINY), "name": "mine", "parts": {"vae": {"file": "mine.safetensors"}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    mine = load_preset(str(tmp_path / "mine.yaml"))
    folders = RunConfig(str(tmp_path), str(tmp_path), steps=1, batch_size=1).part_folders

    with pytest.raises(WeightsError, match="no weights for vae at .*mine.safetensors"):
        find_part(mine, "vae", folders)
    assert find_part(mine, "controlnet", folders).parent == models / "tiny"


@pytest.mark.parametrize("stage", ["prior", "stage1", "stage2"])
def test_mini_is_trained_without_the_shipped_weights(stage: str) -> None:
    run = read_stage_config(stage, f"mini/{stage}").run

    assert set(run.part_folders) == {Path(run.export)}
