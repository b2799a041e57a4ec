"""PTM: dividing a pixel's queries by its temperature divides its scores."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.networks.attention import Kernel
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.networks.temperature import (
    Temperature,
    TemperatureProcessor,
    connect_temperature,
)
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset
from tests.tcan_core.tiny_weights import shaken

FRAMES, CHANNELS, HEADS = 5, 8, 2


@pytest.fixture
def tcan(tiny: Preset, weights: Path) -> Tcan:
    return load_tcan(tiny, weights)


def test_scaled_queries_equal_divided_scores() -> None:
    torch.manual_seed(0)
    attention = Attention(CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS)
    maps = 1 + 3 * torch.rand(2, 2, 3)
    processor = TemperatureProcessor(Temperature(maps))
    processor.size = (2, 3)
    hidden = torch.randn(2 * 2 * 3, FRAMES, CHANNELS)

    query, key, value = (
        torch.unflatten(part, -1, (HEADS, -1)).transpose(1, 2)
        for part in (attention.to_q(hidden), attention.to_k(hidden), attention.to_v(hidden))
    )
    scores = query @ key.transpose(-1, -2) / (CHANNELS // HEADS) ** 0.5
    scores = scores / maps.flatten()[:, None, None, None]
    expected = attention.to_out[0]((scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2))

    torch.testing.assert_close(processor(attention, hidden), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("maps", [None, 1 + 3 * torch.rand(2, 2, 3)])
def test_attention_splits_rows_beyond_the_kernel_limit(
    maps: Tensor | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    attention = Attention(CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS)
    batch_sizes: list[int] = []

    def compute(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        batch_sizes.append(len(query))
        return F.scaled_dot_product_attention(query, key, value)

    processor = TemperatureProcessor(Temperature(maps), Kernel(compute))
    processor.size = (2, 3)
    hidden = torch.randn(2 * 2 * 3, FRAMES, CHANNELS)
    expected = processor(attention, hidden)
    monkeypatch.setattr("tcan_core.models.networks.attention.MAX_ROWS", 5)

    result = processor(attention, hidden)

    assert batch_sizes == [12, 5, 5, 2]
    assert torch.equal(result, expected)


def test_without_a_temperature_map_attention_equals_diffusers() -> None:
    torch.manual_seed(0)
    attention = Attention(CHANNELS, heads=HEADS, dim_head=CHANNELS // HEADS)
    hidden = torch.randn(6, FRAMES, CHANNELS)

    plain = AttnProcessor2_0()(attention, hidden)  # type: ignore[no-untyped-call]

    assert torch.equal(TemperatureProcessor(Temperature())(attention, hidden), plain)


class MotionNetwork(nn.Module):
    """A network with one motion module whose input norm is per frame."""

    def __init__(self) -> None:
        super().__init__()
        self.motion_modules = nn.ModuleList(
            [AnimateDiffTransformer3D(HEADS, CHANNELS // HEADS, CHANNELS, norm_num_groups=4)]
        )

    def forward(self, hidden: Tensor, num_frames: int) -> Tensor:
        """Run it on (batch * frames, channels, height, width)."""
        output: Tensor = self.motion_modules[0](hidden, num_frames=num_frames)
        return output


@torch.no_grad()
def test_a_non_square_temperature_map_applies_per_pixel() -> None:
    torch.manual_seed(0)
    network = MotionNetwork()
    shaken(network, 0.3)
    temperature = connect_temperature(network)
    hidden = torch.randn(2 * FRAMES, CHANNELS, 4, 6)

    plain = network(hidden, FRAMES)
    temperature.maps = torch.ones(2, 8, 12)  # twice the features' size
    temperature.maps[1, 2:4, 10:12] = 4.0  # pixel (1, 5) of the second window
    is_changed = (network(hidden, FRAMES) - plain).abs().amax(
        dim=1
    ) > 1e-6  # (batch * frames, h, w)

    assert not is_changed[:FRAMES].any()
    assert is_changed[FRAMES:, 1, 5].all()
    is_changed[FRAMES:, 1, 5] = False
    assert not is_changed.any()


@torch.no_grad()
def test_a_temperature_of_one_has_no_effect(tcan: Tcan) -> None:
    latents, timestep, pose_maps = _windows(1)
    tcan.read_reference(torch.randn(1, 4, 4, 4), timestep)

    without_maps = tcan.predict(latents, timestep, pose_maps)
    tcan.temperature.maps = torch.ones(1, 32, 48)
    torch.testing.assert_close(tcan.predict(latents, timestep, pose_maps), without_maps)
    tcan.temperature.maps = 4 * torch.ones(1, 32, 48)
    assert not torch.allclose(tcan.predict(latents, timestep, pose_maps), without_maps, atol=1e-4)


@torch.no_grad()
def test_batched_windows_keep_their_own_temperature_maps(tcan: Tcan) -> None:
    latents, timestep, pose_maps = _windows(2)
    maps = 1 + 3 * torch.rand(2, 32, 48)
    tcan.read_reference(torch.randn(1, 4, 4, 4), timestep[:1])

    tcan.temperature.maps = maps
    batched = tcan.predict(latents, timestep, pose_maps, guidance_scale=3.0)
    for index in range(2):
        one = slice(index, index + 1)
        tcan.temperature.maps = maps[one]
        single = tcan.predict(latents[one], timestep[one], pose_maps[one], guidance_scale=3.0)
        torch.testing.assert_close(batched[one], single, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_guidance_extrapolates_from_the_unconditional_prediction(tcan: Tcan) -> None:
    latents, timestep, pose_maps = _windows(1)
    tcan.temperature.maps = 1 + 3 * torch.rand(1, 32, 48)
    tcan.read_reference(torch.randn(1, 4, 4, 4), timestep)

    guided = tcan.predict(latents, timestep, pose_maps, guidance_scale=3.0)
    conditional = tcan.predict(latents, timestep, pose_maps, guidance_scale=1.0)
    tcan.bank.features.clear()
    unconditional = tcan.predict(latents, timestep, pose_maps, guidance_scale=1.0)

    assert not torch.allclose(conditional, unconditional, atol=1e-4)
    expected = unconditional + 3.0 * (conditional - unconditional)
    torch.testing.assert_close(guided, expected, rtol=1e-4, atol=1e-5)


def _windows(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return latents, timesteps and pose maps of windows: 4 x 6 latents, 32 x 48 pixels."""
    torch.manual_seed(1)
    return (
        torch.randn(count, 4, FRAMES, 4, 6),
        torch.full((count,), 500),
        torch.rand(count, 3, FRAMES, 32, 48),
    )
