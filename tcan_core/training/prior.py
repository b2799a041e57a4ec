"""Training of a small preset's prior: a base UNet and its pose ControlNet, from random weights.

They play the role that SD 1.5 and its OpenPose ControlNet play for TCAN: they draw characters in
any pose without a source image. They are frozen in the later stages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.builders import (
    build_controlnet,
    build_denoising_unet,
    build_reference_unet,
)
from tcan_core.models.weights.loading import load_codec, load_prompt
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.checkpoint import export_part
from tcan_core.training.config import OptimizerConfig, PuppetData, RunConfig
from tcan_core.training.diffusion import add_noise, noise_schedule
from tcan_core.training.drawing import Drawing, puppet_names
from tcan_core.training.latent_data import PuppetLatents, load_latents
from tcan_core.training.sampled_images import sample_images
from tcan_core.training.samples import Samples, integers
from tcan_core.training.sheets import as_pictures, fixed_choice, maps_as_pictures, tile

SHEET_PICTURES = 16


@dataclass(frozen=True)
class PriorConfig:
    """Configuration of `tcan train prior`."""

    preset: str
    run: RunConfig
    data: PuppetData = field(default_factory=PuppetData)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)


@dataclass(frozen=True)
class PriorBatch:
    """A micro-batch of single images with their poses.

    Attributes:
        latents: (batch, channels, h, w).
        pose_maps: (batch, 3, height, width) in 0..1.
        samples: the generators of its rows, from which noise is drawn next.
    """

    latents: Tensor
    pose_maps: Tensor
    samples: Samples


@dataclass(frozen=True)
class PriorDrawing(Drawing):
    """Draws single images of puppets, encoded, with their poses."""

    puppets: PuppetLatents

    def draw(self, samples: Samples) -> PriorBatch:
        """Return the micro-batch of these samples."""
        characters = integers(samples, len(self.puppets))
        frames = integers(samples, self.puppets.latents.shape[1])
        return PriorBatch(*self.puppets.batch(characters, frames), samples)

    def names(self, samples: Samples) -> list[str]:
        """Return the puppet that `draw` draws for each sample."""
        return puppet_names(samples, len(self.puppets))


class PriorStage:
    """Training of the prior: images from poses, without a reference."""

    validation = None
    base = ("vae", "text_encoder")
    data: PuppetLatents
    drawing: PriorDrawing

    def __init__(self, config: PriorConfig) -> None:
        self.config = config
        self.preset = load_preset(config.preset)
        torch.manual_seed(config.run.seed)
        unet, controlnet = build_denoising_unet(self.preset), build_controlnet(self.preset)
        self.trained = nn.ModuleDict({"denoising_unet": unet, "controlnet": controlnet})
        parts = config.run.part_folders
        codec = load_codec(self.preset, parts)
        # The reference UNet is not used here: its bank stays empty.
        reference_unet = build_reference_unet(self.preset)
        prompt = load_prompt(self.preset, parts)
        self.tcan = Tcan(codec, unet, reference_unet, controlnet, prompt).to(config.run.device)
        if config.run.gradient_checkpointing:
            self.tcan.enable_gradient_checkpointing()

    def open_data(self) -> None:
        """Open the puppets, encoded by the autoencoder."""
        config = self.config
        parts = config.run.part_folders
        self.data = load_latents(config.data, self.preset, parts, self.tcan.codec)
        self.drawing = PriorDrawing(self.data)

    def loss(self, batch: PriorBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch of single images with their poses."""
        device, schedule = self.config.run.device, noise_schedule(self.preset)
        noisy = add_noise(batch.latents[:, :, None], schedule, batch.samples).to(device)
        maps = batch.pose_maps[:, :, None].to(device)
        prediction = self.tcan.predict(noisy.noisy, noisy.timestep, maps)
        return noisy.loss(prediction), {}

    def sheet(self) -> NDArray[np.uint8]:
        """Return a row of poses above a row of images sampled for them."""
        characters = fixed_choice(len(self.data), SHEET_PICTURES)
        _, pose_maps = self.data.batch(characters, np.ones(SHEET_PICTURES, np.int64))
        images = sample_images(self.tcan, self.preset, pose_maps[:, :, None])
        return tile([maps_as_pictures(pose_maps), as_pictures(images)])

    def export(self, folder: Path) -> None:
        """Write denoising_unet.safetensors and controlnet.safetensors."""
        for name, network in self.trained.items():
            export_part(folder / f"{name}.safetensors", network.state_dict())
