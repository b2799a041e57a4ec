"""Training begins from what `tcan models pull` and `import` brought, as README shows it."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tcan_core.errors import WeightsError
from tcan_core.models.loading import find_part
from tcan_core.models.presets import load_preset
from tcan_core.training.config import folders_of
from tcan_core.training.stages import read_stage_config
from tests.tcan_core.training.conftest import TinyRuns


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder."""
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def option(words: list[str], name: str) -> str:
    """The value of a command line's option."""
    return words[words.index(name) + 1]


def readme_training(repository: Path) -> dict[str, list[str]]:
    """The command lines of README's training part, by what they do."""
    text = (repository / "README.md").read_text()
    lines = re.findall(r"^\.venv/bin/\w+ .*(?:data prepare|train stage\d) .*$", text, re.M)
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
        folders = config.run.part_folders(preset)
        assert {find_part(preset, name, folders).parent for name in pulled} == {models / "sd15"}
        begun = config.initial_reference if stage == "stage1" else config.initial_motion
        assert folders_of(begun, preset) == [models / "sd15"]


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_prepared_clips_and_folders_are_trained_on_alike(stage: str) -> None:
    folders: Any = read_stage_config(stage, f"sd15/{stage}")
    shards: Any = read_stage_config(stage, f"sd15/{stage}.shards")

    data = {"folders": None, "shards": shards.shards, "validation": shards.validation}
    run = replace(folders.run, export_preset=shards.run.export_preset)
    assert replace(folders, run=run, **data) == shards
    assert (shards.shards.split, shards.validation.shards.split) == ("train", "validation")


def test_the_stages_begin_from_the_presets_store(
    runs: TinyRuns, weights: Path, models: Path
) -> None:
    shutil.rmtree(runs.parts)
    with pytest.raises(WeightsError, match="no weights for denoising_unet at .*models import"):
        runs.stage("stage1")
    shutil.copytree(weights, models / "tiny")

    stage1 = runs.stage("stage1", initial_reference="store", initial_lora="store")
    stage2 = runs.stage("stage2", initial_motion="store")

    for network, part in (
        (stage1.tcan.reference_unet, "reference_unet"),
        (stage2.tcan.denoising_unet, "motion_modules"),
        (stage2.tcan.controlnet, "controlnet_motion_modules"),
    ):
        given, found = load_file(weights / f"{part}.safetensors"), network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in given.items()), part


def test_what_a_run_has_exported_comes_before_the_store(
    runs: TinyRuns, weights: Path, models: Path
) -> None:
    shutil.copytree(weights, models / "tiny")
    preset = runs.stage("stage1").preset

    folders = runs.config("stage2").run.part_folders(preset)

    assert folders == [runs.parts, models / "tiny"]
    assert find_part(preset, "lora", folders).parent == runs.parts
