"""Weights and inputs by rule: each follows from its name.

The SHA-256 of "tcan-family-1/NAME" starts with the key of numpy's Philox; its raw words give
numbers u in -1..1. Weights are named PART/KEY.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tests.tcan_core.golden.official import DATA

SALT = "tcan-family-1"
MAGICANIMATE = """
extends: magicanimate
name: small
description: MagicAnimate's classes at small widths
resolution: 64
parts:
  vae: {config: {block_out_channels: [8, 8, 8, 8], layers_per_block: 1, norm_num_groups: 4}}
  text_encoder:
    config:
      vocab_size: 4
      hidden_size: 24
      intermediate_size: 48
      num_hidden_layers: 2
      num_attention_heads: 4
      max_position_embeddings: 8
      projection_dim: 24
      bos_token_id: 0
      eos_token_id: 1
  denoising_unet:
    config: &unet {block_out_channels: [32, 64, 96, 96], cross_attention_dim: 24}
  reference_unet: {config: *unet}
  controlnet:
    config: {<<: *unet, conditioning_embedding_out_channels: [4, 4, 8, 8]}
  motion_modules: {config: {block_out_channels: [32, 64, 96, 96]}}
"""


def by_rule(name: str, shape: Sequence[int]) -> Tensor:
    """Return the numbers of a name, -1..1 float32."""
    digest = hashlib.sha256(f"{SALT}/{name}".encode()).digest()
    words = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(math.prod(shape))
    unit = (words >> np.uint64(40)).astype(np.float64) / 2**24
    return torch.from_numpy((2 * unit - 1).astype(np.float32)).reshape(tuple(shape))


def images(name: str, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Return pictures of a name, uint8."""
    pixels: NDArray[np.uint8] = ((by_rule(name, shape) + 1) * 127.5).numpy().astype(np.uint8)
    return pixels


def weights(system: str, part: str) -> dict[str, Tensor]:
    """Return a part's weights under the official names."""
    shapes = json.loads((DATA / "family" / f"{system}.json").read_text())[part]
    return {key: _weight(f"{part}/{key}", shape) for key, shape in shapes.items()}


def _weight(name: str, shape: Sequence[int]) -> Tensor:
    unit = by_rule(name, shape)
    if len(shape) > 1:
        return unit * math.sqrt(3 / math.prod(shape[1:]))
    return 1 + 0.2 * unit if name.endswith("weight") else 0.1 * unit


def with_positions(state: dict[str, Tensor], positions: int) -> dict[str, Tensor]:
    """Add the computed position tables that files of motion modules contain."""
    tables = {
        key.replace("to_q.weight", "pos_encoder.pe"): value.new_zeros(1, positions, value.shape[1])
        for key, value in state.items()
        if ".attention_blocks." in key and key.endswith("to_q.weight")
    }
    return state | tables


def noise_of(frames: Tensor) -> Callable[..., Tensor]:
    """Return a replacement of `initial_noise` that draws these frames, (1, c, frames, h, w)."""

    def draw(count: int, shape: object, seed: int, kind: str, size: int, overlap: int) -> Tensor:
        beyond = by_rule("more noise", (1, 4, 64, 8, 8))
        known = frames if kind == "tiled" else torch.cat([frames, beyond], dim=2)
        return known[:, :, [frame % known.shape[2] for frame in range(count)]]

    return draw
