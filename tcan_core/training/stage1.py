"""Stage 1, appearance: trains reference UNet and LoRA; denoising UNet and ControlNet are frozen.

A sample is two images of one character: the source, and the target with its pose. With the
reference UNet frozen too, the LoRA alone is fine-tuned for a character or a style.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.errors import ConfigError
from tcan_core.models.networks.lora import add_lora, load_lora, lora_state
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.builders import build_reference_unet
from tcan_core.models.weights.loading import (
    load_base_unet,
    load_codec,
    load_controlnet,
    load_image_encoder,
    load_pose_guider,
    load_prompt,
    load_reference_unet,
    load_strictly,
    lora_config,
)
from tcan_core.models.weights.merged_loras import merge_loras, unmerge_loras
from tcan_core.models.weights.part_files import PartFolders, read_part
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.batches import ClipData
from tcan_core.training.checkpoint import export_part
from tcan_core.training.clip_data import ClipSource, open_clip_data
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.diffusion import LossConfig, add_noise, noise_schedule
from tcan_core.training.drawing import ClipDrawing, DrawnBatch
from tcan_core.training.initial_weights import read_initial
from tcan_core.training.pose_augmentation import PoseAugmentation
from tcan_core.training.regularization import InitialDistance, MixedClips, Regularization
from tcan_core.training.sampled_images import sample_images
from tcan_core.training.sheets import as_pictures, maps_as_pictures, tile
from tcan_core.training.validation import ClipValidation, ValidationConfig, open_validation

SHEET_PICTURES = 16


@dataclass(frozen=True, kw_only=True)
class Stage1Config(ClipSource):
    """Configuration of `tcan train stage1`, with one of `data`, `folders`, `shards`.

    Attributes:
        reference_dropout: probability that a sample's reference is dropped, which trains the
            unconditional prediction of classifier-free guidance, 0..1.
        pose_augmentation: errors put into the poses; None uses them as they are.
        initial_reference: folder with the `reference_unet` to start from, or "preset" for the
            preset's own, or those that its `absent` names; None starts from the denoising UNet.
        initial_lora: folder with the `lora` to start from, or "preset"; None starts from the
            identity. With both, training continues from a preset without a checkpoint.
        train_reference: false freezes the reference UNet, which is then the one in `run.parts`:
            the LoRA alone is trained.
        regularization: clips of other characters, so that those are not forgotten.
        initial_penalty: weight of the mean squared distance of the trained weights from those of
            the start, which needs no other clips.
    """

    preset: str
    run: RunConfig
    validation: ValidationConfig | None = None
    pose_augmentation: PoseAugmentation | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    reference_dropout: float = 0.1
    initial_reference: str | None = None
    initial_lora: str | None = None
    train_reference: bool = True
    regularization: Regularization | None = None
    initial_penalty: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.initial_reference is not None and not self.train_reference:
            raise ConfigError(
                f"initial_reference is {self.initial_reference!r}, but `train_reference: false` "
                "takes the reference UNet from `run.parts`; remove one of the two"
            )


class Stage1:
    """Training of the source character's appearance in a target pose."""

    base: tuple[str, ...] = (
        "vae", "text_encoder", "image_encoder", "denoising_unet", "controlnet", "pose_guider",
    )  # fmt: skip
    data: ClipData
    drawing: ClipDrawing
    validation: ClipValidation | None = None

    def __init__(self, config: Stage1Config) -> None:
        self.config = config
        self.preset = load_preset(config.preset)
        parts = config.run.part_folders
        torch.manual_seed(config.run.seed)
        unet, guider = load_base_unet(self.preset, parts), load_pose_guider(self.preset, parts)
        controlnet = load_controlnet(self.preset, parts) if guider is None else None
        reference_unet = self._reference_unet(parts)
        for network in (unet, guider, controlnet):
            if network is not None:
                network.requires_grad_(False)
        reference_unet.requires_grad_(config.train_reference)
        # Merged as in stage 2 and at inference; APPA's LoRA is added on top.
        merge_loras(self.preset, {"denoising_unet": unet, "reference_unet": reference_unet})
        add_lora(unet, **lora_config(self.preset))
        if config.initial_lora is not None:
            state = read_initial(self.preset, "lora", config.initial_lora)
            if state is not None:
                load_lora(unet, state)
        codec, prompt = load_codec(self.preset, parts), load_prompt(self.preset, parts)
        encoder, use = load_image_encoder(self.preset, parts), self.preset.reference
        self.tcan = Tcan(codec, unet, reference_unet, controlnet, prompt, guider, encoder, use)
        self.tcan.to(config.run.device)
        if config.run.gradient_checkpointing:
            self.tcan.enable_gradient_checkpointing()
        self.trained = nn.ModuleDict({"denoising_unet": unet})
        if config.train_reference:
            self.trained = nn.ModuleDict({"reference_unet": reference_unet, "denoising_unet": unet})
        else:
            self.base += ("reference_unet",)
        self._distance = InitialDistance(self.trained) if config.initial_penalty else None

    def open_data(self) -> None:
        """Open the clips to learn from and those held out."""
        config, parts = self.config, self.config.run.part_folders
        self.data = open_clip_data(
            config, 1, self.preset, parts, self.tcan.codec, config.pose_augmentation
        )
        if config.regularization:
            others = open_clip_data(config.regularization, 1, self.preset, parts, self.tcan.codec)
            self.data = MixedClips(self.data, others, config.regularization.share)
        self.drawing = ClipDrawing(self.data, config.reference_dropout)
        self.validation = open_validation(config.validation, self.tcan, 1, self.preset, parts)

    def loss(self, drawn: DrawnBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch; the first samples have no reference."""
        device = self.config.run.device
        batch, dropped = drawn.clips.encoded(self.tcan.codec), drawn.dropped
        schedule = noise_schedule(self.preset)
        noisy = add_noise(batch.latents, schedule, drawn.samples, self.config.loss).to(device)
        batch = batch.to(device)
        self.tcan.read_images(batch.sources)
        with torch.set_grad_enabled(self.config.train_reference):
            timestep = self.tcan.reference_timestep(noisy.timestep)
            self.tcan.read_reference(batch.sources[dropped:], timestep[dropped:])
        self.tcan.bank.uncond_rows = dropped
        with torch.no_grad():
            pose = self.tcan.pose_features(noisy.noisy, noisy.timestep, batch.pose_maps)
        loss = noisy.loss(self.tcan.run_unet(noisy.noisy, noisy.timestep, pose))
        if self._distance is None:
            return loss, {}
        distance = self._distance()
        return loss + self.config.initial_penalty * distance, {"distance": float(distance.detach())}

    def sheet(self) -> NDArray[np.uint8]:
        """Return rows of sources, poses, sampled images and true images."""
        batch, pictures = self.data.examples(SHEET_PICTURES, self.tcan.codec)
        images = sample_images(self.tcan, self.preset, batch.pose_maps, batch.sources)
        maps = maps_as_pictures(batch.pose_maps[:, :, 0])
        return tile([pictures[:, 0], maps, as_pictures(images), pictures[:, 1]])

    def export(self, folder: Path) -> None:
        """Write lora.safetensors and, if it is trained, reference_unet.safetensors."""
        if self.config.train_reference:
            state = self.tcan.reference_unet.state_dict()
            reference = unmerge_loras(self.preset, "reference_unet", state)
            export_part(folder / "reference_unet.safetensors", reference)
        export_part(folder / "lora.safetensors", lora_state(self.tcan.denoising_unet))

    def _reference_unet(self, parts: PartFolders) -> UNet2DConditionModel:
        """Return the reference UNet at the start, without merged LoRAs."""
        if not self.config.train_reference:
            return load_reference_unet(self.preset, parts)
        state = None
        if self.config.initial_reference is not None:
            state = read_initial(self.preset, "reference_unet", self.config.initial_reference)
        if state is None:
            state = read_part(self.preset, "denoising_unet", parts)
        reference_unet = build_reference_unet(self.preset)
        load_strictly(reference_unet, state, "reference_unet")
        return reference_unet
