"""Initial noise: a frame's noise depends on the seed and its own index alone.

The first frames are therefore the same whatever the clip's length or the order of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tcan_core.errors import ParameterError

NoiseKind = Literal["independent", "freenoise"]

_SHUFFLE = 1  # keeps the shuffles' random stream apart from the frames' (stream 0)


def initial_noise(
    num_frames: int,
    shape: Sequence[int],
    seed: int,
    kind: NoiseKind = "independent",
    context_size: int = 16,
    context_overlap: int = 4,
) -> Tensor:
    """Draw unit Gaussian noise for a whole video.

    `independent` draws every frame anew. `freenoise` draws `context_size` frames and repeats them
    shuffled, so that every window sees the same set of noises and drifts less over a long video.

    Args:
        num_frames: frames in the whole video.
        shape: (c, h, w) of one frame's latents.
        seed: at least 0.
        kind: which of the two.
        context_size: frames in a window; matters to `freenoise` only.
        context_overlap: frames that windows share; matters to `freenoise` only.

    Returns:
        (1, c, num_frames, h, w) float32 on the host.

    Raises:
        ParameterError: the seed is negative or the kind unknown.

    Source: FreeNoise, arXiv 2310.15169, local noise shuffle.
    """
    if seed < 0:
        raise ParameterError(f"seed is {seed}; it must be at least 0")
    if kind not in ("independent", "freenoise"):
        raise ParameterError(f"initial noise is {kind!r}; it must be 'independent' or 'freenoise'")
    draws = (
        range(num_frames)
        if kind == "independent"
        else freenoise_frames(num_frames, seed, context_size, context_overlap)
    )
    frames = {
        draw: _generator(seed, 0, draw).standard_normal(tuple(shape), dtype=np.float32)
        for draw in set(draws)
    }
    return torch.from_numpy(np.stack([frames[draw] for draw in draws], axis=1))[None]


def freenoise_frames(
    num_frames: int, seed: int, context_size: int = 16, context_overlap: int = 4
) -> list[int]:
    """Return for each frame which of the first `context_size` draws it takes.

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
