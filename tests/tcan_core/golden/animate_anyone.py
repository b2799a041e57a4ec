"""Small networks of the build of Moore-AnimateAnyone, which MusePose shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tcan_core.models.weights.presets import Preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tests.tcan_core.golden.family import by_rule, images, weights, with_positions
from tests.tcan_core.golden.official import Maps, denoised, imported

PRESET = """
extends: {base}
name: small
description: the official code's classes at small widths
resolution: 64
sampling: {{context_size: 24}}
parts:
  vae: {{config: {{block_out_channels: [8, 8, 8, 8], layers_per_block: 1, norm_num_groups: 4}}}}
  image_encoder:
    config:
      hidden_size: 32
      intermediate_size: 64
      num_hidden_layers: 2
      num_attention_heads: 4
      image_size: 224
      patch_size: 56
      projection_dim: 24
  denoising_unet:
    config: &unet {{block_out_channels: [32, 64, 96, 96], cross_attention_dim: 24}}
  reference_unet: {{config: *unet}}
  pose_guider: {{config: {{conditioning_embedding_channels: 32, block_out_channels: [4, 4, 8, 8]}}}}
  motion_modules: {{config: {{block_out_channels: [32, 64, 96, 96]}}}}
"""
# PTM is TCAN's own.
STEPS = AnimateSettings(num_inference_steps=3, ptm_tau=0.0)
TIMESTEP = torch.tensor([601])


def write_files(folder: Path, positions: int) -> list[str]:
    """Write the official files, with the names that they have on the hub."""
    unet = weights("moore", "unet")
    motion = {key: value for key, value in unet.items() if ".motion_modules." in key}
    files = {
        "denoising_unet.pth": {key: value for key, value in unet.items() if key not in motion},
        "motion_module.pth": with_positions(motion, positions),
        "reference_unet.pth": weights("moore", "reference_unet"),
        "pose_guider.pth": weights("moore", "pose_guider"),
        "pytorch_model.bin": weights("moore", "image_encoder"),
        "vae.bin": weights("moore", "vae"),
    }
    for name, state in files.items():
        torch.save(state, folder / name)
    return [str(folder / name) for name in files]


@contextmanager
def imported_preset(base: str, folder: Path, positions: int) -> Iterator[Preset]:
    """Import the official files into a small preset that extends `base`."""
    files = tuple(write_files(folder, positions))
    with imported(folder, PRESET.format(base=base), [files]) as preset:
        yield preset


def set_inputs(pipeline: AnimatePipeline) -> None:
    """Set the embedding and read the reference, as the official code did."""
    tcan = pipeline.tcan
    tcan.prompt = by_rule("in/embedding", (1, 1, 24))
    with torch.no_grad():
        tcan.read_reference(1.7 * by_rule("in/reference", (1, 4, 8, 8)), torch.tensor([0]))


def pose_maps() -> Tensor:
    """Return the official maps, (1, 3, 6, 64, 64)."""
    return (by_rule("in/maps", (1, 3, 6, 64, 64)) + 1) / 2


def predict(pipeline: AnimatePipeline, guidance_scale: float) -> Tensor:
    """Predict the official window with these inputs."""
    latents = 1.7 * by_rule("in/latents", (1, 4, 6, 8, 8))
    return pipeline.tcan.predict(latents, TIMESTEP, pose_maps(), guidance_scale)


def predictor(pipeline: AnimatePipeline) -> Any:
    """Return the prediction by guidance scale, with the inputs set."""
    set_inputs(pipeline)
    return partial(predict, pipeline)


def run(pipeline: AnimatePipeline, frames: int) -> Tensor:
    """Denoise the official inputs in three steps."""
    source = images("in/source", (64, 64, 3))
    reference = pipeline.encode(source)
    pipeline.read_image(source)
    return denoised(pipeline, reference, Maps(images("in/control", (frames, 64, 64, 3))), STEPS)


def official_noise(frames: int) -> Tensor:
    """Return the official noise, (1, 4, frames, 8, 8)."""
    return 1.7 * by_rule("in/noise", (1, 4, frames, 8, 8))
