"""Feed-forwards of transformer blocks in chunks of rows that a processor's caches hold.

Between its two projections a feed-forward is eight times as wide as its block. On a processor such
a tensor of a window goes through main memory several times; of a few rows it stays near. Rows know
nothing of one another, so that this is exact up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

CHUNK_BYTES = 8 * 2**20


def chunk_feed_forwards(networks: Iterable[nn.Module], chunk_bytes: int = CHUNK_BYTES) -> None:
    """Let blocks that run on the host chunk their feed-forwards; for inference alone.

    Args:
        networks: of diffusers' transformer blocks, whose own chunking does it.
        chunk_bytes: the widest tensor of a chunk has no more, unless a single row does.
    """
    choose = partial(_choose_chunk, chunk_bytes)
    for network in networks:
        for module in network.modules():
            if isinstance(module, BasicTransformerBlock):
                module.register_forward_pre_hook(choose, with_kwargs=True)


def _choose_chunk(
    chunk_bytes: int, block: Any, arguments: tuple[Tensor, ...], keywords: dict[str, Any]
) -> None:
    """Before a block's forward; diffusers wants chunks of one size."""
    hidden_states = arguments[0] if arguments else keywords["hidden_states"]
    assert isinstance(hidden_states, torch.Tensor)
    rows, tokens, _ = hidden_states.shape
    row_bytes = tokens * block.ff.net[0].proj.out_features * hidden_states.element_size()
    most = max(1, chunk_bytes // row_bytes)
    if hidden_states.device.type != "cpu" or rows <= most:
        block.set_chunk_feed_forward(None, 0)
        return
    chunk = next(size for size in range(most, 0, -1) if rows % size == 0)
    block.set_chunk_feed_forward(chunk, 0)
