"""Stage 2, motion: only the motion modules of denoising UNet and ControlNet learn.

A sample is a source picture and 16 consecutive frames with their poses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.builders import build_motion_adapter, constant_prompt, controlnet_motion
from tcan_core.models.loading import load_appearance, load_codec, read_part
from tcan_core.models.motion import (
    TemporalControlNet,
    add_motion,
    load_motion_state,
    motion_state,
    zero_motion_output,
)
from tcan_core.models.presets import load_preset
from tcan_core.models.tcan import Tcan
from tcan_core.training.checkpoint import export_part
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.diffusion import add_noise
from tcan_core.training.latent_data import load_latents
from tcan_core.training.sheets import as_pictures, fixed_choice, sample_images, tile

SHEET_CLIPS = 3


@dataclass(frozen=True)
class Stage2Config:
    """Configuration of `tcan train stage2`.

    Attributes:
        reference_dropout: share of clips that learn without a reference.
        num_frames: frames of a clip.
        initial_motion: folder with both motion parts to begin from; None begins from nothing.
    """

    preset: str
    run: RunConfig
    data: PuppetData = field(default_factory=PuppetData)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    reference_dropout: float = 0.1
    num_frames: int = 16
    initial_motion: str | None = None


class Stage2:
    """Learns to keep frames together over time."""

    def __init__(self, config: Stage2Config) -> None:
        self.config = config
        self.preset = load_preset(config.preset)
        parts = Path(config.run.export)
        torch.manual_seed(config.run.seed)
        still, still_controlnet, reference_unet = load_appearance(self.preset, parts)
        codec = load_codec(self.preset, parts)
        unet = add_motion(still, build_motion_adapter(self.preset))
        controlnet = TemporalControlNet(still_controlnet, controlnet_motion(self.preset))
        zero_motion_output(unet)
        zero_motion_output(controlnet)
        if config.initial_motion:
            self._load_motion(unet, controlnet, Path(config.initial_motion))
        for network in (unet, controlnet):
            for name, parameter in network.named_parameters():
                parameter.requires_grad_("motion_modules." in name)
        self.tcan = Tcan(codec, unet, reference_unet, controlnet, constant_prompt(self.preset))
        reference_unet.requires_grad_(False).eval()
        self.trained = nn.ModuleDict({"denoising_unet": unet, "controlnet": controlnet})
        self.data = load_latents(config.data, self.preset, parts)

    def loss(
        self, step: int, micro_step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch; the first few clips go without their reference."""
        sources, clips, pose_maps = self._batch(generator)
        noisy = add_noise(clips, self.preset.prediction_type, generator)
        plain = int(
            (torch.rand(len(clips), generator=generator) < self.config.reference_dropout).sum()
        )
        with torch.no_grad():
            self.tcan.read_reference(sources[plain:], noisy.timestep[plain:])
        self.tcan.bank.plain_rows = plain * clips.shape[2]
        residuals, mid_residual = self.tcan.control(noisy.noisy, noisy.timestep, pose_maps)
        prediction = self.tcan.denoise(noisy.noisy, noisy.timestep, residuals, mid_residual)
        return noisy.loss(prediction), {}

    def sheet(self) -> NDArray[np.uint8]:
        """Return for a few clips what the model draws above the truth, the source in front."""
        characters = fixed_choice(len(self.data), SHEET_CLIPS)
        sources, _, pose_maps = self._clips(characters, np.ones(SHEET_CLIPS, np.int64))
        drawn = as_pictures(sample_images(self.tcan, self.preset, pose_maps, sources))
        rows = []
        for index, character in enumerate(characters):
            truth = self.data.pictures.images[character, : self.config.num_frames + 1]
            clip = drawn[index * self.config.num_frames : (index + 1) * self.config.num_frames]
            rows += [np.concatenate([truth[:1], clip]), truth]
        return tile(rows)

    def export(self, folder: Path) -> None:
        """Write motion_modules.safetensors and controlnet_motion_modules.safetensors."""
        export_part(folder / "motion_modules.safetensors", motion_state(self.tcan.denoising_unet))
        export_part(
            folder / "controlnet_motion_modules.safetensors", motion_state(self.tcan.controlnet)
        )

    def _load_motion(self, unet: nn.Module, controlnet: nn.Module, folder: Path) -> None:
        for network, part in ((unet, "motion_modules"), (controlnet, "controlnet_motion_modules")):
            load_motion_state(network, read_part(self.preset, part, folder), part)

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        size = self.config.run.batch_size
        characters = torch.randint(len(self.data), (size,), generator=generator).numpy()
        latest = self.config.data.frames - self.config.num_frames
        first = 1 + torch.randint(latest, (size,), generator=generator).numpy()
        return self._clips(characters, first)

    def _clips(
        self, characters: NDArray[np.int64], first: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return sources (b, c, h, w), clips (b, c, f, h, w), maps (b, 3, f, height, width)."""
        num_frames = self.config.num_frames
        frames = (first[:, None] + np.arange(num_frames)).ravel()
        latents, pose_maps = self.data.batch(characters.repeat(num_frames), frames)
        clips, maps = (
            torch.unflatten(flat, 0, (-1, num_frames)).transpose(1, 2)
            for flat in (latents, pose_maps)
        )
        return torch.from_numpy(self.data.latents[characters, 0]).float(), clips, maps
