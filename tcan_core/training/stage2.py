"""Stage 2, motion: trains only the motion modules of denoising UNet and ControlNet.

A sample is a source image and 16 consecutive frames with their poses.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.networks.motion import (
    TemporalControlNet,
    add_motion,
    load_motion_state,
    motion_state,
    select_for,
    zero_motion_output,
)
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.builders import build_motion_adapter, controlnet_motion
from tcan_core.models.weights.loading import load_appearance, load_codec, load_prompt
from tcan_core.models.weights.part_files import PartFolders, find_part, has_part, read_part
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.training.batches import ClipData
from tcan_core.training.checkpoint import export_part
from tcan_core.training.clip_data import ClipSource, open_clip_data
from tcan_core.training.config import OptimizerConfig, RunConfig, folder_of
from tcan_core.training.diffusion import LossConfig, add_noise, noise_schedule
from tcan_core.training.drawing import ClipDrawing, DrawnBatch
from tcan_core.training.initial_weights import read_initial
from tcan_core.training.pose_augmentation import PoseAugmentation
from tcan_core.training.sampled_images import sample_images
from tcan_core.training.sheets import as_pictures, tile
from tcan_core.training.validation import ClipValidation, ValidationConfig, open_validation

SHEET_CLIPS = 3
UNET_MOTION, CONTROLNET_MOTION = "motion_modules", "controlnet_motion_modules"


@dataclass(frozen=True, kw_only=True)
class Stage2Config(ClipSource):
    """Configuration of `tcan train stage2`, with one of `data`, `folders`, `shards`.

    Attributes:
        reference_dropout: probability that a clip's reference is dropped, 0..1.
        pose_augmentation: errors put into the poses; None uses them as they are.
        num_frames: frames per clip.
        initial_motion: folder with the motion parts to start from, or "preset" for the preset's
            own; None starts from new modules. If the folder has none for the ControlNet, its
            modules start as copies of the UNet's. Weights without a counterpart in this preset's
            networks are ignored.
        without_stage1: train on the base model when there are no weights of stage 1.
    """

    preset: str
    run: RunConfig
    validation: ValidationConfig | None = None
    pose_augmentation: PoseAugmentation | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    reference_dropout: float = 0.1
    num_frames: int = 16
    initial_motion: str | None = None
    without_stage1: bool = False


class Stage2:
    """Training of consistent motion over time.

    Raises:
        WeightsError: weights, including those of stage 1, are missing or damaged.
    """

    base = ("vae", "text_encoder", "denoising_unet", "controlnet", "reference_unet", "lora")
    data: ClipData
    drawing: ClipDrawing
    validation: ClipValidation | None = None

    def __init__(self, config: Stage2Config) -> None:
        self.config = config
        self.preset = load_preset(config.preset)
        parts = config.run.part_folders
        if not config.without_stage1:
            _check_stage1(self.preset, parts)
        torch.manual_seed(config.run.seed)
        still, still_controlnet, reference_unet = load_appearance(self.preset, parts)
        reference_unet.requires_grad_(False).eval()
        codec, prompt = load_codec(self.preset, parts), load_prompt(self.preset, parts)
        unet = add_motion(still, build_motion_adapter(self.preset), self.preset.norm_grouping)
        controlnet = TemporalControlNet(still_controlnet, controlnet_motion(self.preset))
        zero_motion_output(unet)
        zero_motion_output(controlnet)
        if config.initial_motion:
            self._load_motion(unet, controlnet, config.initial_motion)
        for network in (unet, controlnet):
            for name, parameter in network.named_parameters():
                parameter.requires_grad_("motion_modules." in name)
        self.tcan = Tcan(codec, unet, reference_unet, controlnet, prompt).to(config.run.device)
        if config.run.gradient_checkpointing:
            self.tcan.enable_gradient_checkpointing()
        self.trained = nn.ModuleDict({"denoising_unet": unet, "controlnet": controlnet})

    def open_data(self) -> None:
        """Open the clips to learn from and those held out."""
        config, parts = self.config, self.config.run.part_folders
        self.data = open_clip_data(
            config, config.num_frames, self.preset, parts, self.tcan.codec, config.pose_augmentation
        )
        self.drawing = ClipDrawing(self.data, config.reference_dropout)
        self.validation = open_validation(
            config.validation, self.tcan, config.num_frames, self.preset, parts
        )

    def loss(self, drawn: DrawnBatch) -> tuple[Tensor, dict[str, float]]:
        """Return the diffusion loss of a batch; the first clips have no reference."""
        device = self.config.run.device
        batch, dropped = drawn.clips.encoded(self.tcan.codec), drawn.dropped
        schedule = noise_schedule(self.preset)
        noisy = add_noise(batch.latents, schedule, drawn.samples, self.config.loss).to(device)
        batch = batch.to(device)
        with torch.no_grad():
            self.tcan.read_reference(batch.sources[dropped:], noisy.timestep[dropped:])
        self.tcan.bank.uncond_rows = dropped * self.config.num_frames
        pose = self.tcan.pose_features(noisy.noisy, noisy.timestep, batch.pose_maps)
        prediction = self.tcan.run_unet(noisy.noisy, noisy.timestep, pose)
        return noisy.loss(prediction), {}

    def sheet(self) -> NDArray[np.uint8]:
        """Return rows of sampled clips, each above its true clip, with the source in front."""
        batch, pictures = self.data.examples(SHEET_CLIPS, self.tcan.codec)
        images = sample_images(self.tcan, self.preset, batch.pose_maps, batch.sources)
        clips = np.split(as_pictures(images), len(pictures))
        rows = []
        for truth, clip in zip(pictures, clips, strict=True):
            rows += [np.concatenate([truth[:1], clip]), truth]
        return tile(rows)

    def export(self, folder: Path) -> None:
        """Write motion_modules.safetensors and controlnet_motion_modules.safetensors."""
        for part, network in (
            (UNET_MOTION, self.trained["denoising_unet"]),
            (CONTROLNET_MOTION, self.trained["controlnet"]),
        ):
            export_part(folder / f"{part}.safetensors", motion_state(network))

    def _load_motion(self, unet: nn.Module, controlnet: nn.Module, place: str) -> None:
        """Load initial motion modules.

        AnimateDiff may have modules where this preset has none, such as in the mid block.
        """
        state = read_initial(self.preset, UNET_MOTION, place)
        if state is None:
            return
        load_motion_state(unet, select_for(unet, state), UNET_MOTION)
        folder = folder_of(place)
        if has_part(self.preset, CONTROLNET_MOTION, folder):
            state = read_part(self.preset, CONTROLNET_MOTION, folder)
        load_motion_state(controlnet, select_for(controlnet, state), CONTROLNET_MOTION)


def _check_stage1(preset: Preset, parts: PartFolders) -> None:
    """Raise WeightsError if there is no LoRA of stage 1; a preset may lack it, training may not."""
    try:
        find_part(preset, "lora", parts)
    except WeightsError as error:
        raise WeightsError(
            f"{error}; run stage 1 first, which writes it to its `export` (and `remote`), or set "
            "`without_stage1: true` to train motion on the base model"
        ) from error
