"""Pictures on the way: by a small decoder where the preset has one, and the result is the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from numpy.typing import NDArray
from torch import Tensor

from tcan_core.errors import ConfigError
from tcan_core.models.weights.builders import build_preview_decoder
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.pipelines.fitting import fit_to
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.world import Scene
from tcan_core.training.checkpoint import export_part
from tests.tcan_core.pipelines.conftest import DETECTOR, SIZE
from tests.tcan_core.tiny_weights import TINY, TINY_DECODER, shaken

Frames = NDArray[np.uint8]


def write_preset(folder: Path, **config: object) -> str:
    """Return the tiny preset with a preview decoder, for which the VAE substitutes."""
    content = yaml.safe_load(TINY.read_text())
    content["detector"] = DETECTOR
    content["parts"]["preview_decoder"] = {"config": TINY_DECODER | config, "absent": "vae"}
    path = folder / "preset.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@dataclass
class Previews:
    """Recorded previews of a run."""

    pictures: list[Frames] = field(default_factory=list)
    guesses: list[Tensor] = field(default_factory=list)

    def __call__(self, now: AnimateProgress) -> None:
        picture, guess = now.picture(), now.preview()
        if picture is not None and guess is not None:
            self.pictures.append(picture)
            self.guesses.append(guess[:, :, guess.shape[2] // 2].clone())


def run(pipeline: AnimatePipeline, scene: Scene) -> tuple[Frames, Previews]:
    image = scene.source.draw(scene.source_pose)[0]
    previews = Previews()
    return pipeline(image, scene.driving.poses(scene.motion)[:3], progress=previews), previews


@pytest.mark.parametrize("scaling_factor", [1.0, 0.5])
def test_preview_decoder_decodes_previews_only(
    pipeline: AnimatePipeline, scene: Scene, weights: Path, tmp_path: Path, scaling_factor: float
) -> None:
    folder = shutil.copytree(weights, tmp_path / "weights")
    torch.manual_seed(1)
    tiny = shaken(AutoencoderTiny(**TINY_DECODER), 0.3)
    export_part(folder / "preview_decoder.safetensors", tiny.state_dict())
    preset = write_preset(tmp_path, scaling_factor=scaling_factor)

    frames, small = run(AnimatePipeline.from_preset(preset, folder=folder), scene)
    expected, full = run(pipeline, scene)

    assert np.array_equal(frames, expected)
    fit = fit_to((SIZE, SIZE), 32, 8)
    assert len(small.pictures) == len(full.pictures) > 0
    for picture, guess, by_vae in zip(small.pictures, small.guesses, full.pictures, strict=True):
        assert picture.shape == frames.shape[1:]
        assert picture.dtype == np.uint8
        assert not np.array_equal(picture, by_vae)
        # The decoder alone: latents in, -1..1 out.
        assert isinstance(tiny, AutoencoderTiny)
        with torch.no_grad():
            image = tiny.decode(guess / scaling_factor).sample[0].clamp(-1, 1)
        pixels = ((image + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        assert np.array_equal(picture, fit.to_caller(pixels))
    assert max(int(np.ptp(picture)) for picture in small.pictures) > 60


def test_vae_decodes_previews_if_there_is_no_preview_decoder(
    pipeline: AnimatePipeline, scene: Scene, weights: Path, tmp_path: Path
) -> None:
    _, found = run(AnimatePipeline.from_preset(write_preset(tmp_path), folder=weights), scene)
    _, expected = run(pipeline, scene)

    assert len(found.pictures) > 0
    assert all(map(np.array_equal, found.pictures, expected.pictures))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"latent_channels": 16},
            "has 16 latent channels at 1/8 of the size; it must match the vae, 4 at 1/8",
        ),
        (
            {"num_decoder_blocks": [1, 1], "decoder_block_out_channels": [4, 4]},
            "has 4 latent channels at 1/2 of the size",
        ),
    ],
)
def test_preview_decoder_for_other_latents_is_rejected(
    config: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"preset tiny: preview_decoder {message}"):
        build_preview_decoder(load_preset(write_preset(tmp_path, **config)))
