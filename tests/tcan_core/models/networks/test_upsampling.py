"""Folded up-sampling is diffusers' own, with fewer products."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tcan_core.models.networks.upsampling import FoldedUpsample2D, fold_upsamplers

ROWS, CHANNELS = 2, 5


class Block(nn.Module):
    """As a UNet's up block holds its up-sampler."""

    def __init__(self, upsampler: nn.Module | None) -> None:
        super().__init__()
        self.upsamplers = None if upsampler is None else nn.ModuleList([upsampler])


class Network(nn.Module):
    """As a UNet holds its up blocks; the last has no up-sampler."""

    def __init__(self, upsampler: nn.Module) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList([Block(upsampler), Block(None)])


def both(plain: nn.Module) -> tuple[nn.Module, nn.Module]:
    """An up-sampler, and what stands in its place in a network after folding."""
    network: Any = Network(plain)
    fold_upsamplers(network)
    return plain, network.up_blocks[0].upsamplers[0]


def picture(height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Random numbers, (rows, channels, height, width)."""
    noise = torch.Generator().manual_seed(height)
    return torch.randn(ROWS, CHANNELS, height, width, generator=noise).to(dtype)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (3, 7)])
@pytest.mark.parametrize("out_channels", [CHANNELS, 6])
@torch.no_grad()
def test_folded_is_plain_with_four_products_instead_of_nine(
    size: tuple[int, int], out_channels: int
) -> None:
    torch.manual_seed(0)
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True, out_channels=out_channels))
    assert isinstance(folded, FoldedUpsample2D)
    hidden_states = picture(*size)
    with FlopCounterMode(display=False) as many:
        expected = plain(hidden_states)
    for output_size in (None, expected.shape[2:]):
        with FlopCounterMode(display=False) as few:
            result = folded(hidden_states, output_size)
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)
        assert few.get_total_flops() * 9 == many.get_total_flops() * 4


@torch.no_grad()
def test_sides_that_two_does_not_divide_come_back_as_the_skip_has_them() -> None:
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True))
    for output_size in ((7, 8), (8, 7), (7, 7)):
        expected = plain(picture(4, 4), output_size)
        assert expected.shape[2:] == output_size
        assert torch.equal(folded(picture(4, 4), output_size), expected)


@torch.no_grad()
def test_weights_of_16_bits_are_not_added_up() -> None:
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True).bfloat16())
    hidden_states = picture(4, 4, torch.bfloat16)
    assert torch.equal(folded(hidden_states), plain(hidden_states))


def test_what_is_no_plain_convolution_of_3x3_stays() -> None:
    for upsampler in (
        Upsample2D(CHANNELS),
        Upsample2D(CHANNELS, use_conv_transpose=True),
        Upsample2D(CHANNELS, use_conv=True, kernel_size=5, padding=2),
        Upsample2D(CHANNELS, use_conv=True, norm_type="ln_norm", eps=1e-5, elementwise_affine=True),
        Upsample2D(CHANNELS, use_conv=True, interpolate=False),
        Upsample2D(CHANNELS, use_conv=True, padding=0),
    ):
        assert both(upsampler)[1] is upsampler


def test_weights_keep_their_names() -> None:
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True))
    with torch.no_grad():
        folded(picture(2, 2))
    state = folded.state_dict()
    assert state.keys() == plain.state_dict().keys() == {"conv.weight", "conv.bias"}
    assert state["conv.weight"].data_ptr() == plain.state_dict()["conv.weight"].data_ptr()


def test_a_folded_kernel_counts_with_the_weights() -> None:
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True))
    with torch.no_grad():
        folded(picture(2, 2))
    assert [tuple(each.shape) for each in folded.buffers()] == [(CHANNELS, CHANNELS, 4, 4)]


def test_a_folded_kernel_does_not_outlive_the_weights_that_it_is_of() -> None:
    plain, folded = both(Upsample2D(CHANNELS, use_conv=True))
    hidden_states = picture(4, 4)
    with torch.inference_mode():
        folded(hidden_states)
        folded.bfloat16()
        assert list(folded.buffers()) == []
        folded.float()
        torch.testing.assert_close(folded(hidden_states), plain(hidden_states))


def test_weights_stay_the_same_parameters_frozen_or_not() -> None:
    plain = Upsample2D(CHANNELS, use_conv=True).eval().requires_grad_(False)
    weights = dict(plain.named_parameters())
    folded = both(plain)[1]
    assert not folded.training
    assert all(each is weights[name] for name, each in folded.named_parameters())
    with torch.inference_mode():
        folded(picture(2, 2))
    given = picture(2, 2).requires_grad_()  # what is kept of inference is no hindrance to autograd
    folded(given).sum().backward()
    assert given.grad is not None


def test_weights_that_learn_are_not_folded() -> None:
    folded = both(Upsample2D(CHANNELS, use_conv=True))[1]
    folded(picture(2, 2)).sum().backward()
    assert all(each.grad is not None for each in folded.parameters())
    assert list(folded.buffers()) == []
