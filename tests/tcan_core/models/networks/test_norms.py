"""Norm groupings: every norm of both networks equals an explicit formula."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D, UNetMotionModel
from torch import Tensor, nn

from tcan_core.models.networks.motion import TemporalControlNet, add_motion
from tcan_core.models.weights.builders import (
    build_controlnet,
    build_denoising_unet,
    build_motion_adapter,
    controlnet_motion,
)
from tcan_core.models.weights.loading import load_controlnet
from tcan_core.models.weights.presets import NormGrouping, Preset
from tests.tcan_core.tiny_weights import shaken

WINDOWS, FRAMES = 2, 5
LATENTS = (WINDOWS, 4, FRAMES, 4, 6)
TIMESTEP = torch.tensor([10, 900])
TEXT = torch.ones(WINDOWS * FRAMES, 1, 8)
GROUPINGS: list[NormGrouping] = ["per_frame", "official", "diffusers"]

# Norms that are computed jointly over the frames of a window.
JOINT_ROLES: dict[str, set[str]] = {
    "per_frame": set(),
    "official": {"residual", "output"},
    "diffusers": {"motion"},
}


def normalised(video: Tensor, norm: nn.GroupNorm, joint: bool) -> Tensor:
    """Compute a group norm explicitly, (windows, frames, channels, h, w)."""
    windows, frames, channels, height, width = video.shape
    grouped = video.reshape(windows, frames, norm.num_groups, -1, height, width)
    axes = (1, 3, 4, 5) if joint else (3, 4, 5)
    mean = grouped.mean(axes, keepdim=True)
    deviation = ((grouped - mean) ** 2).mean(axes, keepdim=True)
    plain = ((grouped - mean) / (deviation + norm.eps).sqrt()).reshape(video.shape)
    shape = (1, 1, channels, 1, 1)
    return plain * norm.weight.reshape(shape) + norm.bias.reshape(shape)


def frames_apart(hidden: Tensor) -> Tensor:
    """Reshape a norm's input to (windows, frames, channels, h, w)."""
    if hidden.dim() == 5:  # (windows, channels, frames, h, w)
        return hidden.transpose(1, 2)
    return torch.unflatten(hidden, 0, (WINDOWS, FRAMES))


def norms_of(network: nn.Module) -> dict[str, tuple[str, nn.GroupNorm]]:
    """Return all norms by name, with their roles."""
    roles = {}
    for name, module in network.named_modules():
        if isinstance(module, ResnetBlock2D):
            roles[f"{name}.norm1"] = roles[f"{name}.norm2"] = "residual"
        if isinstance(module, AnimateDiffTransformer3D):
            roles[f"{name}.norm"] = "motion"
    return {
        name: (roles.get(name, "output" if name == "conv_norm_out" else "spatial"), module)
        for name, module in network.named_modules()
        if isinstance(module, nn.GroupNorm)
    }


def check_every_norm(network: nn.Module, grouping: NormGrouping, run: object) -> set[str]:
    """Run a network, compare each norm's output with the formula, and return the roles."""
    calls: dict[str, tuple[Tensor, Tensor]] = {}
    norms = norms_of(network)
    for name, (_, norm) in norms.items():

        def record(
            module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, name: str = name
        ) -> None:
            calls[name] = (inputs[0].clone(), output.clone())

        norm.register_forward_hook(record)
    with torch.no_grad():
        run()  # type: ignore[operator]
        assert set(calls) == set(norms)
        for name, (hidden, result) in calls.items():
            role, norm = norms[name]
            expected = normalised(frames_apart(hidden), norm, role in JOINT_ROLES[grouping])
            torch.testing.assert_close(
                frames_apart(result), expected, rtol=1e-4, atol=1e-5, msg=f"{name} ({role})"
            )
            other = normalised(frames_apart(hidden), norm, role not in JOINT_ROLES[grouping])
            assert (other - expected).abs().max() > 1e-2, (
                f"{name} gives equal results in both groupings"
            )
    return {role for role, _ in norms.values()}


def moving_unet(tiny: Preset, grouping: NormGrouping) -> UNetMotionModel:
    torch.manual_seed(0)
    unet = add_motion(build_denoising_unet(tiny), build_motion_adapter(tiny), grouping)
    shaken(unet, 0.1)
    return unet


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_norms_of_the_denoising_unet_equal_a_reference(
    tiny: Preset, grouping: NormGrouping
) -> None:
    unet = moving_unet(tiny, grouping)
    latents = torch.randn(LATENTS) * torch.arange(1, FRAMES + 1)[:, None, None]

    roles = check_every_norm(unet, grouping, lambda: unet(latents, TIMESTEP, TEXT))

    assert roles == {"residual", "output", "motion", "spatial"}


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_norms_of_the_temporal_controlnet_equal_a_reference(
    tiny: Preset, weights: Path, grouping: NormGrouping
) -> None:
    controlnet = load_controlnet(tiny, weights)
    motion = controlnet_motion(tiny) | {"norm_grouping": grouping}
    temporal = TemporalControlNet(controlnet, motion)
    latents = torch.randn(LATENTS) * torch.arange(1, FRAMES + 1)[:, None, None]
    pose_maps = torch.rand(WINDOWS * FRAMES, 3, 32, 48)

    roles = check_every_norm(
        temporal, grouping, lambda: temporal(latents, TIMESTEP, TEXT, pose_maps)
    )

    assert roles == {"residual", "motion", "spatial"}


@torch.no_grad()
def test_norm_groupings_differ_and_are_copied_with_the_network(tiny: Preset) -> None:
    latents = torch.randn(LATENTS) * torch.arange(1, FRAMES + 1)[:, None, None]
    unets = {grouping: moving_unet(tiny, grouping) for grouping in GROUPINGS}
    results = {name: unet(latents, TIMESTEP, TEXT).sample for name, unet in unets.items()}

    for one, other in (("per_frame", "official"), ("per_frame", "diffusers")):
        change = (results[one] - results[other]).norm() / results[one].norm()  # type: ignore[index]
        assert change > 0.01, (one, other, float(change))

    copied = deepcopy(unets["official"])
    unets["official"](latents[:, :, :2], TIMESTEP, TEXT[:4])
    torch.testing.assert_close(copied(latents, TIMESTEP, TEXT).sample, results["official"])


@torch.no_grad()
def test_controlnet_motion_modules_can_be_limited_to_some_blocks(
    tiny: Preset, weights: Path
) -> None:
    controlnet = load_controlnet(tiny, weights)
    motion = controlnet_motion(tiny) | {"down_blocks": [1], "mid_block": False}
    temporal = TemporalControlNet(deepcopy(controlnet), motion)
    latents = torch.randn(LATENTS)

    down, mid = temporal(latents, TIMESTEP, TEXT, torch.rand(WINDOWS * FRAMES, 3, 32, 48))

    names = {name.split(".motion")[0] for name in temporal.state_dict() if "motion" in name}
    assert names == {"down_blocks.1"}
    assert mid.shape[0] == WINDOWS * FRAMES
    assert len(down) == len(build_controlnet(tiny).controlnet_down_blocks)
