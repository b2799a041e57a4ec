"""The cache of deep features: skipped blocks, interval, windows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tcan_core.models.caches.deep_features import DeepFeatureCache, DeepFeatures
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset

FRAMES, WINDOWS = 3, 2
CPU = torch.device("cpu")
Inputs = tuple[Tensor, Tensor, Tensor]


@pytest.fixture(params=[False, True], ids=["together", "serial"])
def tcan(tiny: Preset, weights: Path, request: pytest.FixtureRequest) -> Iterator[Tcan]:
    tcan = set_up(load_tcan(tiny, weights), RuntimeOptions(serial_guidance=request.param))
    with torch.no_grad():
        yield tcan


@pytest.fixture(params=[(4, 4), (5, 3)], ids=["even", "odd"])
def inputs(tcan: Tcan, request: pytest.FixtureRequest) -> Inputs:
    """Read a reference; return latents, timesteps and pose maps of two windows."""
    height, width = request.param
    noise = torch.Generator().manual_seed(2)
    latents = torch.randn(WINDOWS, 4, FRAMES, height, width, generator=noise)
    maps = torch.rand(WINDOWS, 3, FRAMES, 8 * height, 8 * width, generator=noise)
    tcan.read_reference(torch.randn(1, 4, height, width, generator=noise), torch.tensor([500]))
    tcan.temperature.maps = 1 + maps[:, 0, 0]
    return latents, torch.tensor([500, 500]), maps


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_cached_features_of_the_same_step_give_the_same_prediction(
    tcan: Tcan, inputs: Inputs, guidance_scale: float
) -> None:
    deep = DeepFeatures([])
    full_prediction = tcan.predict(*inputs, guidance_scale, deep)
    assert len(deep.tensors) == (1 if guidance_scale == 1 else 2)
    torch.testing.assert_close(tcan.predict(*inputs, guidance_scale), full_prediction)
    torch.testing.assert_close(tcan.predict(*inputs, guidance_scale, deep), full_prediction)


def test_cached_features_of_another_step_are_reused_unchanged(tcan: Tcan, inputs: Inputs) -> None:
    deep = DeepFeatures([])
    tcan.predict(*inputs, 3.0, deep)
    full_prediction = tcan.predict(inputs[0] + 0.1, *inputs[1:], 3.0)
    shallow = tcan.predict(inputs[0] + 0.1, *inputs[1:], 3.0, deep)
    nothing = DeepFeatures([torch.zeros_like(tensor) for tensor in deep.tensors])
    wrong = tcan.predict(inputs[0] + 0.1, *inputs[1:], 3.0, nothing)
    assert 0 < (shallow - full_prediction).abs().mean() < (wrong - full_prediction).abs().mean()


def test_cached_features_skip_the_deep_blocks(tcan: Tcan, inputs: Inputs) -> None:
    deep = DeepFeatures([])
    tcan.predict(*inputs, 3.0, deep)
    called_blocks: set[str] = set()
    assert tcan.controlnet is not None
    for network, prefix in ((tcan.denoising_unet, "unet"), (tcan.controlnet, "controlnet")):
        for name, module in network.named_modules():
            if name.count(".") == 1 and name.split(".")[0] in ("down_blocks", "up_blocks"):
                module.register_forward_hook(
                    lambda *_, name=f"{prefix}.{name}": called_blocks.add(name)
                )
        network.get_submodule("mid_block").register_forward_hook(
            lambda *_, name=f"{prefix}.mid_block": called_blocks.add(name)
        )
    tcan.predict(*inputs, 3.0, deep)
    assert called_blocks == {"unet.down_blocks.0", "unet.up_blocks.1", "controlnet.down_blocks.0"}
    tcan.predict(*inputs, 3.0)
    assert {"unet.down_blocks.1", "unet.mid_block", "controlnet.mid_block"} < called_blocks


def features(num_windows: int) -> DeepFeatures:
    """Return features of windows of three frames: numbered rows, 4 bytes per frame."""
    rows = torch.arange(3.0 * num_windows).reshape(-1, 1, 1, 1)
    return DeepFeatures([rows, -rows])


def test_a_window_runs_completely_at_every_nth_step() -> None:
    cache, window = DeepFeatureCache(3, [[0, 1, 2]]), [[0, 1, 2]]
    full_steps = []
    for step in range(7):
        if cache.has(window[0]):
            cache.take(window, CPU)
        else:
            full_steps.append(step)
            cache.keep(window, features(1))
    assert full_steps == [0, 3, 6]


def test_each_window_gets_its_own_features_back() -> None:
    windows = [[0, 1, 2], [2, 3, 4]]
    cache = DeepFeatureCache(9, windows)
    cache.keep(windows, features(2))
    conditional = cache.take([[2, 3, 4]], CPU).tensors[1]
    reordered = cache.take([[2, 3, 4], [0, 1, 2]], CPU).tensors[0]
    assert conditional.flatten().tolist() == [-3, -4, -5]
    assert reordered.flatten().tolist() == [3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_cache_bound_does_not_depend_on_batches(batch: int) -> None:
    """8 bytes per frame: two of the three windows fit."""
    windows = [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    cache = DeepFeatureCache(2, windows, max_bytes=8 * 8)
    for first in range(0, 3, batch):
        some = windows[first : first + batch]
        cache.keep(some, features(len(some)))
    assert [cache.has(window) for window in windows] == [True, True, False]


def test_an_interval_of_one_disables_the_feature_cache() -> None:
    assert DeepFeatureCache(1, []).empty() is None
