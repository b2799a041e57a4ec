"""Feed-forwards by rows are diffusers' own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.hooks.layerwise_casting import apply_layerwise_casting
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tcan_core.models.networks.feed_forward import FeedForwardByRows, feed_forward_by_rows
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.models.weights.loading import load_tcan
from tcan_core.models.weights.presets import Preset

CHANNELS, ROWS = 6, 4


class Products(TorchFunctionMode):
    """Notes the shape of what is written by each matrix product, and where."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.places: list[int] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.addmm:
            self.shapes.append(tuple(kwargs["out"].shape))
            self.places.append(kwargs["out"].data_ptr())
        return func(*args, **(kwargs or {}))


def block(**options: Any) -> BasicTransformerBlock:
    """A transformer block with random weights."""
    torch.manual_seed(0)
    made = BasicTransformerBlock(CHANNELS, 2, 3, **options).eval()
    return made


def tokens(*shape: int) -> Tensor:
    """Random numbers, (*shape, channels)."""
    return torch.randn(*shape, CHANNELS, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def without_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize("shape", [(3,), (4,), (2, 5), (3, 2, 4)])
@pytest.mark.usefixtures("without_grad")
def test_rows_are_written_over_one_another(shape: tuple[int, ...]) -> None:
    plain = block(activation_fn="geglu")
    expected = plain.ff(tokens(*shape))
    feed_forward_by_rows([plain], ROWS)
    with Products() as noted:
        result = plain.ff(tokens(*shape))
    assert result.shape == expected.shape
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-6)
    wide, narrow = noted.shapes[::2], noted.shapes[1::2]
    count = expected[..., 0].numel()
    each = [min(ROWS, count - first) for first in range(0, count, ROWS)]
    assert wide == [(rows, 8 * CHANNELS) for rows in each]
    assert narrow == [(rows, CHANNELS) for rows in each]
    assert len(set(noted.places[::2])) == 1


def test_training_goes_through_the_layers() -> None:
    plain = block(activation_fn="geglu")
    feed_forward_by_rows([plain], ROWS)
    with Products() as noted:
        plain.ff(tokens(9)).sum().backward()
    assert noted.shapes == []
    assert all(parameter.grad is not None for parameter in plain.ff.parameters())


@pytest.mark.usefixtures("without_grad")
def test_weights_of_fewer_bits_go_through_the_layers() -> None:
    plain = block(activation_fn="geglu")
    expected = plain.ff(tokens(9))
    feed_forward_by_rows([plain], ROWS)
    apply_layerwise_casting(plain.ff, torch.float8_e4m3fn, torch.float32)
    with Products() as noted:
        torch.testing.assert_close(plain.ff(tokens(9)), expected, rtol=0.1, atol=0.1)
    assert noted.shapes == []


@pytest.mark.usefixtures("without_grad")
def test_16_bits_go_by_rows_too() -> None:
    plain = block(activation_fn="geglu").bfloat16()
    expected = plain.ff(tokens(9).bfloat16())
    feed_forward_by_rows([plain], ROWS)
    with Products() as noted:
        result = plain.ff(tokens(9).bfloat16())
    assert len(noted.shapes) == 6
    torch.testing.assert_close(result, expected, rtol=0.02, atol=0.01)


@pytest.mark.parametrize(
    "options",
    [{"activation_fn": "gelu"}, {"ff_bias": False}, {"dropout": 0.1}, {"final_dropout": True}],
)
def test_other_feed_forwards_stay(options: dict[str, Any]) -> None:
    plain = block(**options)
    feed_forward_by_rows([plain])
    assert type(plain.ff) is FeedForward


def test_a_models_feed_forwards_all_go_by_rows_under_their_names(
    tiny: Preset, weights: Path
) -> None:
    tcan = load_tcan(tiny, weights)
    names = _names(tcan.denoising_networks)
    set_up(tcan, RuntimeOptions())
    assert _names(tcan.denoising_networks) == names
    for each in _blocks(tcan.denoising_networks):
        assert isinstance(each.ff, FeedForwardByRows)


def _names(networks: Iterable[nn.Module]) -> list[str]:
    return [name for network in networks for name in network.state_dict() if ".ff." in name]


def _blocks(networks: Iterable[nn.Module]) -> list[BasicTransformerBlock]:
    modules = [module for network in networks for module in network.modules()]
    return [module for module in modules if isinstance(module, BasicTransformerBlock)]
