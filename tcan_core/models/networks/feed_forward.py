"""Feed-forwards of transformer blocks some rows at a time, in memory that a processor keeps near.

Between its two projections a feed-forward is eight times as wide as its block. On a processor such
a tensor of a window goes through main memory several times; of some rows it stays in the caches,
and the next rows are written over it. Rows know nothing of one another, so that this is exact up
to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from torch import Tensor, nn
from torch.nn import functional as F

# Enough for products at full speed; at SD 1.5's narrowest width 5 MB between the projections.
ROWS = 512


class FeedForwardByRows(nn.Module):
    """diffusers' feed-forward, of the same layers; on a processor, without autograd, by rows."""

    def __init__(self, plain: FeedForward, rows: int = ROWS) -> None:
        """Take over the layers: projection and gate, dropout, projection."""
        super().__init__()
        self.net = plain.net
        self.rows = rows

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return (..., channels) of (..., channels)."""
        expand, contract = _projections(self.net)
        is_by_rows = (
            hidden_states.device.type == "cpu"  # counted as on a GPU, where it takes more
            and hidden_states.dtype == expand.weight.dtype  # which may be kept in fewer bits
            and not torch.is_grad_enabled()
        )
        if not is_by_rows:
            for layer in self.net:
                hidden_states = layer(hidden_states)
            return hidden_states
        flat = hidden_states.reshape(-1, expand.in_features)
        result = flat.new_empty(len(flat), contract.out_features)
        wide = flat.new_empty(min(self.rows, len(flat)), expand.out_features)
        for given, out in zip(
            *(torch.split(each, self.rows) for each in (flat, result)), strict=True
        ):
            values, gates = _linear(expand, given, wide[: len(given)]).chunk(2, dim=1)
            _linear(contract, values.mul_(F.gelu(gates)), out)
        return result.reshape(*hidden_states.shape[:-1], -1)


def feed_forward_by_rows(networks: Iterable[nn.Module], rows: int = ROWS) -> None:
    """Let the feed-forwards of diffusers' transformer blocks go by rows where they can.

    Args:
        rows: tokens at a time.
    """
    for network in networks:
        for block in network.modules():
            if isinstance(block, BasicTransformerBlock) and _is_gated(block.ff):
                block.ff = FeedForwardByRows(block.ff, rows)  # type: ignore[assignment]


def _is_gated(plain: nn.Module) -> bool:
    """Whether a feed-forward is of the layers that `FeedForwardByRows` takes over."""
    if type(plain) is not FeedForward or type(plain.net[0]) is not GEGLU or len(plain.net) != 3:
        return False
    dropout: Any = plain.net[1]
    if dropout.p > 0:
        return False
    return all(
        type(each) is nn.Linear and each.bias is not None for each in _projections(plain.net)
    )


def _projections(net: Any) -> tuple[nn.Linear, nn.Linear]:
    return net[0].proj, net[2]


def _linear(layer: nn.Linear, given: Tensor, out: Tensor) -> Tensor:
    return torch.addmm(layer.bias, given, layer.weight.t(), out=out)
