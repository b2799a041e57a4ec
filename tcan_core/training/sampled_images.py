"""Images that a model in training generates for given poses."""

from __future__ import annotations

import torch
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
