"""The tiny preset with random weights, also in zero-initialized layers."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tcan_core.models.networks.lora import add_lora, lora_state
from tcan_core.models.networks.motion import TemporalControlNet, add_motion, motion_state
from tcan_core.models.networks.pose_detector import build_pose_detector
from tcan_core.models.weights.builders import (
    build_codec,
    build_controlnet,
    build_denoising_unet,
    build_motion_adapter,
    build_reference_unet,
    controlnet_motion,
)
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.training.checkpoint import export_part

# Config of a `preview_decoder` for the tiny preset, which has none.
TINY_DECODER = {
    "latent_channels": 4,
    "encoder_block_out_channels": [4, 4, 4, 4],
    "decoder_block_out_channels": [4, 4, 4, 4],
}
TINY = Path(__file__).parent / "tiny" / "preset.yaml"


def tiny_preset() -> Preset:
    """Load the tiny preset."""
    return load_preset(str(TINY))


def write_tiny_weights(folder: Path) -> None:
    """Write every part of the tiny preset with random weights."""
    torch.manual_seed(0)
    preset = tiny_preset()
    networks: dict[str, nn.Module] = {
        "vae": build_codec(preset).vae,
        "denoising_unet": build_denoising_unet(preset),
        "reference_unet": build_reference_unet(preset),
        "controlnet": build_controlnet(preset),
        "pose_detector": build_pose_detector(preset),
    }
    for name, network in networks.items():
        export_part(folder / f"{name}.safetensors", shaken(network).state_dict())
    unet = build_denoising_unet(preset)
    add_lora(unet, **preset.parts["lora"].config)
    export_part(folder / "lora.safetensors", lora_state(shaken(unet)))
    unet_in_motion = add_motion(build_denoising_unet(preset), build_motion_adapter(preset))
    temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
    for name, network in (
        ("motion_modules", unet_in_motion),
        ("controlnet_motion_modules", temporal),
    ):
        export_part(folder / f"{name}.safetensors", motion_state(shaken(network)))


@torch.no_grad()
def shaken(network: nn.Module, amount: float = 0.05) -> nn.Module:
    """Add noise to every parameter and return the network."""
    for parameter in network.parameters():
        parameter.add_(amount * torch.randn(parameter.shape))
    return network
