"""Skips are convolved once for both halves of guidance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from tcan_core.models.networks.shared_skips import SkipConv2d, both_halves, share_skips
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import NormGrouping, Preset

ROWS = 3


class Convolutions(TorchFunctionMode):
    """Notes (rows, channels) of all that is convolved."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs: list[tuple[int, int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.conv2d:
            self.inputs.append(tuple(args[0].shape[:2]))
        return func(*args, **(kwargs or {}))


def halves(channels: int, skip_channels: int) -> Tensor:
    """Both halves, (2 * rows, channels, 4, 6), whose last channels are alike."""
    noise = torch.Generator().manual_seed(3)
    both = torch.randn(2, ROWS, channels, 4, 6, generator=noise)
    both[1, :, -skip_channels:] = both[0, :, -skip_channels:]
    return both.flatten(0, 1)


@pytest.fixture
def unet(tiny: Preset, weights: Path) -> Any:
    """Widths of 16 and 8: some skips share a group of a norm with what is below, some do not."""
    return load_tcan(tiny, weights).denoising_unet


@torch.no_grad()
def test_each_residual_block_gives_the_same_and_convolves_skips_once(unet: Any) -> None:
    blocks: list[ResnetBlock2D] = [each for up in unet.up_blocks for each in up.resnets]
    below = [unet.mid_block.resnets[-1].out_channels, *(each.out_channels for each in blocks)]
    time = torch.randn(2 * ROWS, blocks[0].time_emb_proj.in_features)
    inputs = [
        halves(each.in_channels, each.in_channels - own)
        for each, own in zip(blocks, below, strict=False)
    ]
    expected = [each(given, time) for each, given in zip(blocks, inputs, strict=True)]

    share_skips(unet)
    straddled = set()
    for block, own, given, whole in zip(blocks, below, inputs, expected, strict=False):
        with both_halves(unet, ROWS), Convolutions() as noted:
            torch.testing.assert_close(block(given, time), whole, rtol=1e-5, atol=1e-5)
        group = block.in_channels // block.norm1.num_groups
        straddled.add(bool(own % group))
        apart = own + -own % group
        assert noted.inputs == [
            (2 * ROWS, apart),
            (ROWS, block.in_channels - apart),
            (2 * ROWS, block.out_channels),
            (2 * ROWS, own),
            (ROWS, block.in_channels - own),
        ]
        # One half, or rows that have nothing in common: all at once.
        with Convolutions() as noted:
            assert torch.equal(block(given, time), whole)
        assert len(noted.inputs) == 3
    assert straddled == {True, False}


@pytest.mark.parametrize("grouping", ["per_frame", "official"])
@torch.no_grad()
def test_a_prediction_shares_them_where_both_halves_go_together(
    tiny: Preset, weights: Path, grouping: NormGrouping
) -> None:
    tcan = set_up(load_tcan(replace(tiny, norm_grouping=grouping), weights), RuntimeOptions())
    unet: Any = tcan.denoising_unet
    shared: list[int] = []
    for block in unet.up_blocks:
        for resnet in block.resnets:
            resnet.conv1.register_forward_pre_hook(lambda conv, _: shared.append(conv.shared.rows))
    windows, frames = 2, 3
    inputs = (torch.randn(windows, 4, frames, 4, 4), torch.tensor([500, 500]))
    for guidance_scale, serial, rows in ((3.0, False, 6), (3.0, True, 0), (1.0, False, 0)):
        tcan.read_reference(torch.randn(1, 4, 4, 4), torch.tensor([500]))
        tcan.serial_guidance = serial
        tcan.predict(*inputs, torch.rand(windows, 3, frames, 32, 32), guidance_scale)
        assert set(shared) == {rows}
        shared.clear()


def test_halves_end_with_an_error_too(unet: Any) -> None:
    share_skips(unet)
    with pytest.raises(KeyError), both_halves(unet, ROWS):
        assert unet.shared_skips.rows == ROWS
        raise KeyError
    assert unet.shared_skips.rows == 0


def test_weights_stay_the_same_parameters_under_their_names(unet: Any) -> None:
    before = dict(unet.named_parameters())
    share_skips(unet)
    shared = unet.shared_skips
    share_skips(unet)
    after = dict(unet.named_parameters())
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    convolutions = [each for each in unet.modules() if isinstance(each, SkipConv2d)]
    assert len(convolutions) == 2 * sum(len(block.resnets) for block in unet.up_blocks)
    assert all(each.shared is shared is unet.shared_skips for each in convolutions)


@torch.no_grad()
def test_sums_of_fewer_bits_are_not_parted(unet: Any) -> None:
    share_skips(unet)
    block: Any = unet.up_blocks[0].resnets[0].bfloat16()
    own = unet.mid_block.resnets[-1].out_channels
    given = halves(block.in_channels, block.in_channels - own).bfloat16()
    time = torch.randn(2 * ROWS, block.time_emb_proj.in_features).bfloat16()
    with both_halves(unet, ROWS), Convolutions() as noted:
        block(given, time)
    assert len(noted.inputs) == 3
