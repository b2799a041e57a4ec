"""Motion modules: initialization as the identity, norms per frame, the temporal ControlNet."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.networks.motion import (
    TemporalControlNet,
    add_motion,
    load_motion_state,
    motion_state,
    zero_motion_output,
)
from tcan_core.models.networks.norms import NormPerFrame
from tcan_core.models.weights.builders import (
    build_controlnet,
    build_denoising_unet,
    build_motion_adapter,
    controlnet_motion,
)
from tcan_core.models.weights.loading import load_base_unet, load_controlnet
from tcan_core.models.weights.presets import Preset
from tests.tcan_core.tiny_weights import shaken

FRAMES = 5
LATENTS, POSE_MAPS = (2, 4, FRAMES, 4, 6), (2 * FRAMES, 3, 32, 48)
TIMESTEP = torch.tensor([10, 900])
TEXT = torch.ones(2 * FRAMES, 1, 8)


def as_images(video: Tensor) -> Tensor:
    return video.transpose(1, 2).flatten(0, 1)


@pytest.fixture
def moving_unet(tiny: Preset) -> UNetMotionModel:
    torch.manual_seed(0)
    unet = add_motion(build_denoising_unet(tiny), build_motion_adapter(tiny))
    shaken(unet, 0.1)
    return unet


@torch.no_grad()
def test_new_motion_modules_do_not_change_the_unet(tiny: Preset, weights: Path) -> None:
    unet = load_base_unet(tiny, weights)
    inflated = add_motion(unet, build_motion_adapter(tiny))
    zero_motion_output(inflated)
    latents = torch.randn(LATENTS)

    video = inflated(latents, TIMESTEP, TEXT).sample
    stills = unet(as_images(latents), TIMESTEP.repeat_interleave(FRAMES), TEXT).sample

    torch.testing.assert_close(as_images(video), stills, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_a_new_temporal_controlnet_equals_the_controlnet(tiny: Preset, weights: Path) -> None:
    controlnet = load_controlnet(tiny, weights)
    temporal = TemporalControlNet(deepcopy(controlnet), controlnet_motion(tiny))
    zero_motion_output(temporal)
    latents, pose_maps = torch.randn(LATENTS), torch.rand(POSE_MAPS)

    down, mid = temporal(latents, TIMESTEP, TEXT, pose_maps)
    expected_down, expected_mid = controlnet(
        as_images(latents), TIMESTEP.repeat_interleave(FRAMES), TEXT, pose_maps, return_dict=False
    )

    assert len(down) == len(expected_down)
    for result, expected in zip([*down, mid], [*expected_down, expected_mid], strict=True):
        torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)
        assert expected.abs().sum() > 0


@torch.no_grad()
def test_frames_interact_only_in_temporal_attention(moving_unet: UNetMotionModel) -> None:
    latents = torch.randn(LATENTS)
    other_latents = latents.clone()
    other_latents[:, :, 3] += 1

    def difference() -> Tensor:
        """Return the largest change of each frame, (frames,)."""
        results = [moving_unet(one, TIMESTEP, TEXT).sample for one in (latents, other_latents)]
        change: Tensor = (results[1] - results[0]).abs().amax(dim=(0, 1, 3, 4))
        return change

    assert (difference() > 1e-6).all()  # frames interact
    for name, module in moving_unet.named_modules():
        if "motion_modules" in name and isinstance(module, Attention):
            nn.init.zeros_(module.to_v.weight)
    without_attention = difference()
    assert without_attention[3] > 1e-3
    without_attention[3] = 0
    assert without_attention.max() == 0  # only through attention: norms are per frame


def test_norm_per_frame_normalises_each_frame() -> None:
    norm = NormPerFrame(2, 4)
    video = torch.randn(2, 4, 3, 5, 5) * torch.tensor([1.0, 10.0, 100.0])[None, None, :, None, None]

    result = norm(video)

    expected = torch.stack([nn.GroupNorm(2, 4)(frame) for frame in video.unbind(2)], dim=2)
    torch.testing.assert_close(result, expected)


def test_motion_weights_use_the_key_names_of_the_motion_adapter(
    tiny: Preset, moving_unet: UNetMotionModel
) -> None:
    adapter = build_motion_adapter(tiny).state_dict()

    assert set(motion_state(moving_unet)) == {k for k in adapter if not k.endswith("pos_embed.pe")}


def test_the_controlnets_motion_modules_are_named_as_the_unets_encoder(
    tiny: Preset, moving_unet: UNetMotionModel
) -> None:
    temporal = TemporalControlNet(build_controlnet(tiny), controlnet_motion(tiny))
    encoder = {
        name: value.shape
        for name, value in motion_state(moving_unet).items()
        if name.startswith(("down_blocks", "mid_block"))
    }

    assert {name: value.shape for name, value in motion_state(temporal).items()} == encoder


def test_motion_weights_round_trip(tiny: Preset, moving_unet: UNetMotionModel) -> None:
    fresh = add_motion(build_denoising_unet(tiny), build_motion_adapter(tiny))

    load_motion_state(fresh, motion_state(moving_unet), "motion_modules")

    for name, value in motion_state(fresh).items():
        assert torch.equal(value, motion_state(moving_unet)[name]), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state, name: state.pop(name), "1 missing"),
        (lambda state, name: state.update(mid_block_of_another=torch.zeros(1)), "1 unexpected"),
        (lambda state, name: state.update({name: torch.zeros(1)}), "1 of another shape"),
    ],
)
def test_motion_weights_that_do_not_fit_are_named(
    moving_unet: UNetMotionModel, change: object, message: str
) -> None:
    state = motion_state(moving_unet)
    name = "mid_block.motion_modules.0.proj_out.weight"
    change(state, name)  # type: ignore[operator]

    with pytest.raises(WeightsError, match=f"motion_modules: keys {message} \\(mid_block"):
        load_motion_state(moving_unet, state, "motion_modules")
