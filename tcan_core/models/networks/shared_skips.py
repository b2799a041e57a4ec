"""What convolutions make of the skips is computed once for both halves of guidance.

A residual block of an up block convolves what came from below and a skip, which lie side by side
in its channels. The halves of guidance have the same skips (`models.halves`), and a convolution is
a sum over its channels: the skip's part is computed for one half and added to both. A group norm
comes before; a group in which both meet differs between the halves, those behind it do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor, nn

from tcan_core.models.devices import takes_host_way


@dataclass
class SharedSkips:
    """What the convolutions of a network know of its batch.

    Attributes:
        rows: of one half, while both pass the network one behind the other with the same skips;
            0 at other times.
    """

    rows: int = 0


class SkipConv2d(nn.Conv2d):
    """A convolution whose last input channels are a skip's; on a processor they are shared.

    In float32: sums in parts of fewer bits would be rounded in between. torch copies the parts of
    input and weights within the call.
    """

    shared: SharedSkips
    own_channels: int

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Convolve (rows, channels, height, width)."""
        rows, own = self.shared.rows, self.own_channels
        is_whole = hidden_states.dtype == torch.float32
        if not (rows and is_whole and takes_host_way(hidden_states)):
            return super().forward(hidden_states)
        convolved = self._conv_forward(hidden_states[:, :own], self.weight[:, :own], self.bias)
        of_skip = self._conv_forward(hidden_states[:rows, own:], self.weight[:, own:], None)
        return torch.unflatten(convolved, 0, (-1, rows)).add_(of_skip).flatten(0, 1)


def share_skips(unet: UNetMotionModel) -> None:
    """Put `SkipConv2d` where up blocks convolve skips, with the same weights."""
    if hasattr(unet, "shared_skips"):
        return
    shared = SharedSkips()
    unet.shared_skips = shared  # type: ignore[assignment]
    mid: Any = unet.mid_block
    from_below = mid.resnets[-1].out_channels
    for block in unet.up_blocks:
        for resnet in block.resnets:  # type: ignore[union-attr]
            group = resnet.norm1.num_channels // resnet.norm1.num_groups
            apart = -(-from_below // group) * group
            for name, own_channels in (("conv1", apart), ("conv_shortcut", from_below)):
                conv = getattr(resnet, name)
                if _is_simple(conv) and own_channels < conv.in_channels:
                    setattr(resnet, name, _like(conv, shared, own_channels))
            from_below = resnet.out_channels


@contextmanager
def both_halves(unet: UNetMotionModel, rows: int) -> Iterator[None]:
    """While both halves of guidance, of `rows` each, pass a network with the same skips."""
    shared = getattr(unet, "shared_skips", SharedSkips())
    assert isinstance(shared, SharedSkips)
    shared.rows = rows
    try:
        yield
    finally:
        shared.rows = 0


def _is_simple(conv: nn.Module | None) -> bool:
    """Whether a convolution is one that `_like` makes; None is the shortcut that is no layer."""
    return type(conv) is nn.Conv2d and conv.groups == 1 and conv.stride == conv.dilation == (1, 1)


def _like(conv: nn.Conv2d, shared: SharedSkips, own_channels: int) -> SkipConv2d:
    kernel_size, padding = cast("tuple[int, int]", conv.kernel_size), conv.padding
    with torch.device("meta"):
        made = SkipConv2d(
            conv.in_channels,
            conv.out_channels,
            kernel_size,
            padding=cast("tuple[int, int]", padding),
        )
    made.train(conv.training)
    made.weight, made.bias = conv.weight, conv.bias
    made.shared, made.own_channels = shared, own_channels
    return made
