"""Validation on the way, trained parts as a preset, and the optimisers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing import event_accumulator  # type: ignore[import-untyped]

from media.digest import file_sha256
from media.image import read_image
from media.video_reader import VideoReader
from tcan_core.errors import ConfigError
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.config import OptimizerConfig, PuppetData
from tcan_core.training.optimizers import build_optimizer
from tcan_core.training.preset_export import export_preset
from tcan_core.training.stages import find_config
from tcan_core.training.validation import ValidationConfig, measure
from tests.tcan_core.tiny_weights import TINY
from tests.tcan_core.training.conftest import TinyRuns


def validation(runs: TinyRuns, frames: int) -> ValidationConfig:
    """Two puppets that are not learned from."""
    puppets = PuppetData(
        characters=2, frames=frames, first_seed=50, consecutive=True, size=32,
        cache=str(runs.cache),
    )  # fmt: skip
    return ValidationConfig(data=puppets, every=2, clips=2)


@pytest.mark.parametrize(
    ("name", "frames"), [("stage1", 1), pytest.param("stage2", 6, marks=pytest.mark.long)]
)
def test_held_out_clips_are_animated_and_measured(runs: TinyRuns, name: str, frames: int) -> None:
    plain = runs.train(name, output=str(runs.root / "plain"))
    scalars = runs.train(name, validation=validation(runs, frames + 2))

    for step in (*scalars, *plain):
        assert 0 <= step.pop("waiting") <= 1
    assert scalars == plain  # a look changes nothing
    folders = sorted((runs.root / name / "validation").iterdir())
    assert [folder.name for folder in folders] == ["0000002", "0000004"]
    sheet = read_image(folders[0] / "sheet.png")
    assert sheet.shape[0] > 6 * 128 and sheet.std() > 20
    measured = json.loads((folders[1] / "metrics.json").read_text())
    assert len(measured) == 2 and all(3 < clip["psnr"] < 40 for clip in measured)
    clips = sorted(path.name for path in folders[0].glob("*.mp4"))
    assert clips == ([] if frames == 1 else ["00.mp4", "01.mp4"])
    for clip in clips:
        info = VideoReader(folders[0] / clip).info
        assert (info.num_frames_estimate, info.width, info.height) == (frames, 64, 32)
    events = event_accumulator.EventAccumulator(str(runs.root / name / "scalars"))
    events.Reload()
    values = [event.value for event in events.Scalars("validation/psnr")]
    assert values[1] == pytest.approx(np.mean([clip["psnr"] for clip in measured]), rel=1e-5)


def test_metrics_distinguish_a_perfect_result_from_a_still_one() -> None:
    source = np.zeros((32, 32, 3), np.uint8)
    truth = np.stack([np.roll(np.eye(32, dtype=np.uint8) * 200, step, 1) for step in range(4)])
    truth = np.repeat(truth[..., None], 3, axis=3)

    perfect = measure(source, truth, truth)
    still = measure(source, truth, np.repeat(source[None], 4, axis=0))

    assert perfect["l1"] == 0 and perfect["moving_region_psnr"] == 100 and perfect["flicker"] == 0
    assert still["moving_region_psnr"] == still["repeat_source_moving_region_psnr"]
    assert still["flicker"] is not None and still["flicker"] < 0


def test_trained_parts_make_a_preset(runs: TinyRuns) -> None:
    path = export_preset(str(TINY), runs.parts, "mine")

    content: dict[str, Any] = yaml.safe_load(path.read_text())
    assert (content["name"], Path(content["extends"])) == ("mine", TINY.resolve())
    assert set(content["parts"]) == {file.stem for file in runs.parts.glob("*.safetensors")}
    lora = content["parts"]["lora"]
    assert lora == {
        "file": "lora.safetensors",
        "sha256": file_sha256(runs.parts / "lora.safetensors"),
    }
    preset = load_preset(str(path))
    assert preset.part_file("lora") == runs.parts / "lora.safetensors"
    assert load_tcan(preset).denoising_unet.config["block_out_channels"] == [8, 16]
    assert yaml.safe_load(export_preset("mini", runs.parts, "x").read_text())["extends"] == "mini"


def test_adamw8bit_needs_a_gpu_and_bitsandbytes() -> None:
    config = OptimizerConfig(name="adamw8bit")
    parameters = [torch.nn.Parameter(torch.zeros(2))]

    with pytest.raises(ConfigError, match="'adamw8bit' needs a GPU, but device is 'cpu'"):
        build_optimizer(parameters, config, "cpu")
    with pytest.raises(ConfigError, match=r"needs bitsandbytes.*tcan\[cuda\]"):
        build_optimizer(parameters, config, "cuda")


def test_fp16_needs_a_gpu(runs: TinyRuns) -> None:
    with pytest.raises(ConfigError, match="use 'fp32' or 'bf16' on a CPU"):
        runs.train("prior", precision="fp16")


@pytest.mark.gpu
def test_adamw8bit_trains_and_resumes(runs: TinyRuns) -> None:
    changes: dict[str, Any] = {"name": "adamw8bit", "device": "cuda", "checkpoint_every_s": 0.0}
    expected = runs.train("stage1", steps=4, output=str(runs.root / "whole"), **changes)

    runs.train("stage1", steps=2, **changes)
    later = runs.train("stage1", steps=4, resume=True, **changes)

    assert [now["loss"] for now in later] == pytest.approx(
        [now["loss"] for now in expected[2:]], rel=1e-3
    )


def test_configurations_are_found_by_name() -> None:
    assert (
        find_config("sd15/stage1").is_file() and find_config("mini/autoencoder.decoder").is_file()
    )
    assert find_config("any/where.yaml") == Path("any/where.yaml")
    with pytest.raises(ConfigError, match="no configuration 'sd15'; shipped are mini/autoencoder,"):
        find_config("sd15")
