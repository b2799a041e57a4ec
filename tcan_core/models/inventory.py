"""What a preset consists of: parameters counted on the meta device, files found and checked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn

from tcan_core.models.builders import (
    build_codec,
    build_controlnet,
    build_denoising_unet,
    build_motion_adapter,
    build_reference_unet,
    build_text_encoder,
    controlnet_motion,
)
from tcan_core.models.loading import count_parameters, file_sha256
from tcan_core.models.lora import add_lora
from tcan_core.models.motion import TemporalControlNet
from tcan_core.models.pose_detector import build_pose_detector
from tcan_core.models.presets import Preset


@dataclass(frozen=True)
class PartInventory:
    """One part of a preset.

    Attributes:
        parameters: trained or pre-trained numbers in it.
        source: where its weights come from.
        sha256: of its file as the preset says, or None where it says none.
        present: whether its weights are at hand (or none are needed).
    """

    name: str
    parameters: int
    source: str
    sha256: str | None
    present: bool


def inventory(preset: Preset) -> list[PartInventory]:
    """List the parts of a preset; nothing is loaded."""
    return [
        PartInventory(
            name, parameters, part.source, part.sha256, _is_present(preset, name, parameters)
        )
        for name, part in preset.parts.items()
        for parameters in (part_parameters(preset, name),)
    ]


def part_parameters(preset: Preset, name: str) -> int:
    """Count the parameters of one part on the meta device."""
    with torch.device("meta"):
        if name == "lora":
            return _lora_parameters(preset)
        if name == "controlnet_motion_modules":
            temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
            return sum(
                value.numel()
                for key, value in temporal.named_parameters()
                if "motion_modules" in key
            )
        network = _build(preset, name)
        return 0 if network is None else count_parameters(network)


def damaged_parts(preset: Preset) -> dict[str, str]:
    """Check every file that is at hand and return what is wrong, by part."""
    wrong = {}
    for name, part in preset.parts.items():
        path = preset.part_file(name)
        if path is None:
            continue
        if not path.exists():
            wrong[name] = f"{path.name} is missing"
        elif part.sha256 and file_sha256(path) != part.sha256:
            wrong[name] = f"{path.name} has another sha256 than the preset says"
    return wrong


def _build(preset: Preset, name: str) -> nn.Module | None:
    builders = {
        "vae": build_codec,
        "denoising_unet": build_denoising_unet,
        "reference_unet": build_reference_unet,
        "controlnet": build_controlnet,
        "motion_modules": build_motion_adapter,
        "text_encoder": build_text_encoder,
        "pose_detector": build_pose_detector,
    }
    return builders[name](preset)


def _lora_parameters(preset: Preset) -> int:
    unet: UNet2DConditionModel = build_denoising_unet(preset)
    lora = preset.parts["lora"].config
    add_lora(unet, lora["rank"], lora["alpha"])
    return sum(value.numel() for key, value in unet.named_parameters() if "lora_" in key)


def _is_present(preset: Preset, name: str, parameters: int) -> bool:
    path = preset.part_file(name)
    return parameters == 0 if path is None else path.exists()
