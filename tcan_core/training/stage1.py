"""Stage 1, appearance: reference UNet and LoRA learn; denoising UNet and ControlNet are frozen.

A sample is two pictures of one character: the source, and the target with its pose.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.builders import build_reference_unet, constant_prompt
from tcan_core.models.loading import load_prior, load_strictly, read_part
from tcan_core.models.lora import add_lora, lora_state
from tcan_core.models.presets import load_preset
from tcan_core.models.tcan import Tcan
from tcan_core.training.checkpoint import export_part
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.diffusion import add_noise
from tcan_core.training.latent_data import load_latents
from tcan_core.training.sheets import (
    as_pictures,
    fixed_choice,
    maps_as_pictures,
    sample_images,
    tile,
)

SHEET_PICTURES = 16


@dataclass(frozen=True)
class Stage1Config:
    """Configuration of `tcan train stage1`.

    Attributes:
        reference_dropout: share of samples that learn without a reference, for the unconditional
            half of guidance.
    """

    preset: str
    run: RunConfig
    data: PuppetData = field(default_factory=PuppetData)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    reference_dropout: float = 0.1


class Stage1:
    """Learns to draw the source's character in the target's pose."""

    def __init__(self, config: Stage1Config) -> None:
        self.config = config
        self.preset = load_preset(config.preset)
        parts = Path(config.run.export)
        torch.manual_seed(config.run.seed)
        unet, controlnet = load_prior(self.preset, parts)
        unet.requires_grad_(False)
        controlnet.requires_grad_(False)
        # The reference UNet begins as the base UNet, which it has to speak to.
        reference_unet = build_reference_unet(self.preset)
        load_strictly(
            reference_unet, read_part(self.preset, "denoising_unet", parts), "reference_unet"
        )
        lora = self.preset.parts["lora"].config
        add_lora(unet, lora["rank"], lora["alpha"])
        self.data = load_latents(config.data, self.preset, parts)
        self.tcan = Tcan(
            self.data.codec, unet, reference_unet, controlnet, constant_prompt(self.preset)
        )
        self.trained = nn.ModuleDict({"reference_unet": reference_unet, "denoising_unet": unet})

    def loss(
        self, step: int, micro_step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch; the first few go without their reference."""
        sources, latents, pose_maps = self._batch(generator)
        noisy = add_noise(latents, self.preset.prediction_type, generator)
        plain = int(
            (torch.rand(len(latents), generator=generator) < self.config.reference_dropout).sum()
        )
        self.tcan.read_reference(sources[plain:], noisy.timestep[plain:])
        self.tcan.bank.plain_rows = plain
        video, timestep = noisy.noisy[:, :, None], noisy.timestep
        with torch.no_grad():
            residuals, mid_residual = self.tcan.control(video, timestep, pose_maps[:, :, None])
        prediction = self.tcan.denoise(video, timestep, residuals, mid_residual)
        return noisy.loss(prediction[:, :, 0]), {}

    def sheet(self) -> NDArray[np.uint8]:
        """Return sources, poses, what the model draws, and the truth."""
        characters = fixed_choice(len(self.data), SHEET_PICTURES)
        sources, _ = self.data.batch(characters, np.zeros(SHEET_PICTURES, np.int64))
        _, pose_maps = self.data.batch(characters, np.ones(SHEET_PICTURES, np.int64))
        images = sample_images(self.tcan, self.preset, pose_maps[:, :, None], sources)
        truth = self.data.pictures.images[characters]
        return tile([truth[:, 0], maps_as_pictures(pose_maps), as_pictures(images), truth[:, 1]])

    def export(self, folder: Path) -> None:
        """Write reference_unet.safetensors and lora.safetensors."""
        export_part(folder / "reference_unet.safetensors", self.tcan.reference_unet.state_dict())
        export_part(folder / "lora.safetensors", lora_state(self.tcan.denoising_unet))

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        size, frames = self.config.run.batch_size, self.config.data.frames
        characters = torch.randint(len(self.data), (size,), generator=generator).numpy()
        first = torch.randint(frames, (size,), generator=generator).numpy()
        second = (
            first + 1 + torch.randint(frames - 1, (size,), generator=generator).numpy()
        ) % frames
        sources = torch.from_numpy(self.data.latents[characters, first]).float()
        return sources, *self.data.batch(characters, second)
