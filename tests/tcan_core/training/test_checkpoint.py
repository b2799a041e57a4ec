"""Files of a run: the checkpoints that are kept, what is exported from them, access rights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from tcan_core.config import save_config
from tcan_core.errors import ConfigError, StorageError, WeightsError
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.__main__ import main
from tcan_core.training.base_weights import BaseFile
from tcan_core.training.checkpoint import export_part, load_checkpoint, save_checkpoint
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.kept_checkpoints import KeptCheckpoints
from tcan_core.training.loop import train
from tcan_core.training.preset_export import export_preset
from tcan_core.training.run_export import export_run
from tcan_core.training.stages import run_stage
from tcan_core.training.validation import ValidationConfig
from tests.tcan_core.tiny_weights import TINY
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.lines import Lines, silent

NEW_KEYS = ("skipped", "global_batch")  # that checkpoints of earlier releases do not have


def train_in(folder: Path, steps: int, resume: bool = False, **changes: Any) -> None:
    run = RunConfig(str(folder), str(folder), steps, 4, checkpoint_every_s=0.0, **changes)
    train(Lines(), run, OptimizerConfig(), resume, silent)


def steps_in(folder: Path) -> dict[str, int]:
    """Return the step of each checkpoint by its path in the folder."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.pt")}
    return {name: load_checkpoint(path)["step"] for name, path in files.items()}


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    train_in(tmp_path, 5, keep_checkpoints=3)
    earlier = {f"checkpoints/000000{step}.pt": step for step in (3, 4)}
    assert steps_in(tmp_path) == {"checkpoint.pt": 5, **earlier}

    train_in(tmp_path, 7, resume=True, keep_checkpoints=2)
    assert steps_in(tmp_path) == {"checkpoint.pt": 7, "checkpoints/0000006.pt": 6}
    found = {name: KeptCheckpoints(tmp_path, 2).find(name).name for name in ("last", "7", "6")}
    assert found == {"last": "checkpoint.pt", "7": "checkpoint.pt", "6": "0000006.pt"}
    with pytest.raises(ConfigError, match="no checkpoint 'best'; there are last, 6, 7"):
        KeptCheckpoints(tmp_path, 2).find("best")


def test_a_run_of_an_earlier_release_resumes(tmp_path: Path) -> None:
    train_in(tmp_path, 2, keep_checkpoints=1)
    path = tmp_path / "checkpoint.pt"
    state = load_checkpoint(path)
    save_checkpoint(path, {key: state[key] for key in state if key not in NEW_KEYS})
    assert steps_in(tmp_path) == {"checkpoint.pt": 2}

    train_in(tmp_path, 3, resume=True)

    assert steps_in(tmp_path) == {"checkpoint.pt": 3, "checkpoints/0000002.pt": 2}


def test_a_full_disk_ends_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    train_in(tmp_path, 2)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    (tmp_path / "checkpoint.partial").symlink_to("/dev/full")

    with pytest.raises(StorageError, match=r"a disk is full.*; free: .* has \d+\.\d GB"):
        train_in(tmp_path, 3, resume=True)

    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert not (tmp_path / "checkpoint.partial").is_symlink()
    train_in(tmp_path, 3, resume=True)


def test_a_run_whose_checkpoints_have_no_space_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"run: 1000000000001 checkpoints .* need \d+.\d GB"):
        train_in(tmp_path / "run", 2, keep_checkpoints=10**12)

    assert not (tmp_path / "run").exists()


def start(runs: TinyRuns, stage: str, resume: bool = False, **changes: Any) -> None:
    """Run a training command in this process."""
    config = runs.root / "start.yaml"
    save_config(runs.config(stage, **changes), config)
    run_stage(stage, str(config), resume, lambda *_: None)


@pytest.mark.long
def test_the_best_checkpoint_by_validation_is_kept_and_exported_without_data(
    runs: TinyRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    output, cache = runs.root / "stage1", runs.root / "cache"
    held_out = PuppetData(characters=1, frames=3, first_seed=50, size=32, cache=str(cache))
    data = PuppetData(characters=2, frames=3, size=32, cache=str(cache))
    validation = ValidationConfig(data=held_out, every=1, clips=1, num_inference_steps=1)
    # So high a rate that the last step is not the best one.
    changes: dict[str, Any] = {"data": data, "validation": validation, "learning_rate": 0.3}
    start(runs, "stage1", steps=4, checkpoint_every_s=0.0, **changes)
    last = (runs.parts / "reference_unet.safetensors").read_bytes()
    best = load_checkpoint(output / "best.pt")
    assert best["step"] < 4 and best["score"] > 0
    shutil.rmtree(cache)

    assert main(["export", str(output), "--checkpoint", "best"]) == 0

    assert f"trained parts of step {best['step']} are in {runs.parts}" in capsys.readouterr().out
    exported = load_file(runs.parts / "reference_unet.safetensors")
    name, value = next(iter(exported.items()))
    assert torch.equal(best["average"][f"reference_unet.{name}"], value)
    assert export_run(output, "4") == (4, runs.parts)
    assert (runs.parts / "reference_unet.safetensors").read_bytes() == last


@pytest.mark.long
def test_other_frozen_weights_are_refused(runs: TinyRuns) -> None:
    start(runs, "prior", steps=1, export_preset="mine")
    preset = load_preset(str(runs.parts / "preset.yaml"))
    read_part(preset, "vae")
    vae = runs.parts / "vae.safetensors"
    save_file({name: value + 1 for name, value in load_file(vae).items()}, vae)

    with pytest.raises(WeightsError, match=r"trained on other weights, by sha256: vae \(\w{12} be"):
        start(runs, "prior", steps=2, resume=True)
    with pytest.raises(WeightsError, match="trained on other weights, by sha256: vae"):
        export_run(runs.root / "prior", "last")
    with pytest.raises(WeightsError, match="sha256 is .*, but the preset has"):
        read_part(preset, "vae")


def test_an_exported_preset_names_the_weights_of_its_training(
    runs: TinyRuns, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of the base's store are pinned; weights of another folder are named."""
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    shutil.copytree(weights, tmp_path / "models" / "tiny")
    stored = tmp_path / "models" / "tiny" / "vae.safetensors"
    elsewhere = weights / "controlnet.safetensors"
    trained_on = {"vae": BaseFile(stored, "1" * 64), "controlnet": BaseFile(elsewhere, "2" * 64)}
    folder = tmp_path / "empty"
    folder.mkdir()

    path = export_preset(str(TINY), folder, "mine", trained_on)

    assert yaml.safe_load(path.read_text())["parts"] == {
        "vae": {"sha256": "1" * 64},
        "controlnet": {"file": str(elsewhere), "sha256": "2" * 64},
    }
    preset = load_preset(str(path))
    assert (preset.part_file("vae"), preset.part_file("controlnet")) == (stored, elsewhere)
    with pytest.raises(WeightsError, match=f"but the preset has {'1' * 64}"):
        read_part(preset, "vae")


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_exported_parts_have_the_modes_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        export_part(tmp_path / "lora.safetensors", {"weight": torch.zeros(2)})
    finally:
        os.umask(before)

    assert (tmp_path / "lora.safetensors").stat().st_mode & 0o777 == mode
