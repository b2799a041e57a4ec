"""Initial noise: a frame's noise depends only on the seed and its index.

The first frames are therefore the same for any length of the video and any order of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from tcan_core.errors import ParameterError

NoiseKind = Literal["independent", "freenoise", "tiled"]

_SHUFFLE = 1  # random stream of the shuffles; stream 0 is that of the frames


def initial_noise(
    num_frames: int,
    shape: Sequence[int],
    seed: int,
    kind: NoiseKind = "independent",
    context_size: int = 16,
    context_overlap: int = 4,
) -> Tensor:
    """Draw unit Gaussian noise for a whole video.

    `independent` draws noise for every frame. `freenoise` draws `context_size` frames and repeats
    them shuffled, so that all windows have the same set of noises and long videos drift less.
    `tiled` repeats them in order, as the official code does: contents repeat, too.

    Args:
        num_frames: frames in the whole video.
        shape: (c, h, w) of one frame's latents.
        seed: seed of the noise, at least 0.
        context_size: frames in a window; not for `independent`.
        context_overlap: frames that windows share; for `freenoise` only.

    Returns:
        (1, c, num_frames, h, w) float32 on the host.

    Raises:
        ParameterError: the seed is negative, or the kind is unknown.

    Source: FreeNoise, arXiv 2310.15169, local noise shuffle.
    """
    if seed < 0:
        raise ParameterError(f"seed is {seed}; it must be at least 0")
    if kind not in get_args(NoiseKind):
        allowed = " or ".join(map(repr, get_args(NoiseKind)))
        raise ParameterError(f"initial noise is {kind!r}; it must be {allowed}")
    draws: Sequence[int] = range(num_frames)
    if kind == "tiled":
        draws = [frame % context_size for frame in draws]
    elif kind == "freenoise":
        draws = freenoise_frames(num_frames, seed, context_size, context_overlap)
    frames = {
        draw: _generator(seed, 0, draw).standard_normal(tuple(shape), dtype=np.float32)
        for draw in set(draws)
    }
    return torch.from_numpy(np.stack([frames[draw] for draw in draws], axis=1))[None]


def freenoise_frames(
    num_frames: int, seed: int, context_size: int = 16, context_overlap: int = 4
) -> list[int]:
    """Return for each frame the index of its draw, one of the first `context_size`.

    Each block of `context_size - context_overlap` frames takes, shuffled, the draws of the block
    that begins `context_size` frames before it: every window of `context_windows` but a shifted
    last one holds each draw exactly once.
    """
    stride = context_size - context_overlap
    draws = list(range(context_size))
    while len(draws) < num_frames:
        block = draws[len(draws) - context_size :][:stride]
        shuffle = _generator(seed, _SHUFFLE, len(draws)).permutation(stride)
        draws += [block[index] for index in shuffle]
    return draws[:num_frames]


def _generator(seed: int, stream: int, index: int) -> np.random.Generator:
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence(seed, spawn_key=(stream, index)))
    )
