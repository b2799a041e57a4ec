"""Sample sheets: images that a model in training generates for a few fixed poses."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.presets import Preset
from tcan_core.sampling.denoising_loop import DenoisingLoop
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import build_scheduler
from tcan_core.training.diffusion import noise_schedule

_DECODE_BATCH = 8  # a full-size image takes gigabytes to decode


def sample_images(
    tcan: Tcan,
    preset: Preset,
    pose_maps: Tensor,
    ref_image_latents: Tensor | None = None,
    guidance_scale: float = 1.0,
    num_inference_steps: int = 12,
) -> Tensor:
    """Denoise a batch of single images, or of windows if the model has motion modules.

    Shapes: b batch, f frames

    Args:
        pose_maps: (b, 3, f, height, width) in 0..1.
        ref_image_latents: (b, channels, h, w), or None for samples without a reference.
        guidance_scale: classifier-free guidance scale; 1 turns guidance off.

    Returns:
        (b * f, 3, height, width), -1..1.
    """
    b, _, frames, height, width = pose_maps.shape
    shape = (tcan.codec.latent_channels, height // tcan.codec.factor, width // tcan.codec.factor)
    noise = initial_noise(b * frames, shape, seed=0)[0]
    noise = torch.unflatten(noise, 1, (b, frames)).transpose(0, 1)

    device = tcan.prompt.device
    sources = torch.empty(0) if ref_image_latents is None else ref_image_latents.to(device)

    if len(sources):
        tcan.read_images(sources)

    def predict(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        steps = timestep.to(device).expand(b)
        tcan.read_reference(sources, tcan.reference_timestep(steps))
        return tcan.predict(latents.to(device), steps, pose_maps.to(device), guidance_scale)

    scheduler = build_scheduler("ddim", num_inference_steps, noise_schedule(preset))
    loop = DenoisingLoop(predict, scheduler, [list(range(frames))], preset.prediction_type)
    with torch.no_grad():
        latents = loop.run(noise)
    stills = latents.transpose(1, 2).flatten(0, 1)
    parts = torch.split(stills, _DECODE_BATCH)
    return torch.cat([tcan.codec.decode(part.to(device)) for part in parts])


def as_pictures(images: Tensor) -> NDArray[np.uint8]:
    """Convert (batch, 3, height, width) in -1..1 to (batch, height, width, 3) uint8."""
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


def tile(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Stack rows of images, each (batch, height, width, 3), into one image."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def maps_as_pictures(pose_maps: Tensor) -> NDArray[np.uint8]:
    """Convert pose maps (batch, 3, height, width) in 0..1 to (batch, height, width, 3) uint8."""
    return (pose_maps * 255).round().byte().permute(0, 2, 3, 1).numpy()


def with_lines(picture: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a darkened picture with a drawn pose over it; all are (height, width, 3)."""
    return np.where(drawn.max(axis=2, keepdims=True) > 0, drawn, picture // 2)


def fixed_choice(count: int, size: int) -> NDArray[np.int64]:
    """Return `size` fixed indices below `count`, different ones if there are so many."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1)).numpy()
    return np.resize(order, size)
