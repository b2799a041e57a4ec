"""Attention weights of chosen queries, computed from the queries and keys of a real pass.

Fused kernels never form the weights, so they are computed again, for the chosen queries only. The
queries and keys are those that the kernel gets: with the temperature, LoRA and reference in them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from diffusers.models.attention_processor import Attention
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.networks.attention import Kernel, Observe
from tcan_core.models.networks.temperature import TemperatureProcessor

Weights = NDArray[np.float32]


def attention_weights(query: Tensor, key: Tensor) -> Tensor:
    """Return softmax(Q K^T / sqrt(d)), the mean over heads, (rows, queries, keys) float32.

    Args:
        query: (rows, heads, queries, d).
        key: (rows, heads, keys, d).
    """
    scores = query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5
    weights: Tensor = scores.softmax(-1).mean(1)
    return weights


@contextmanager
def observed(kernel: Kernel, observers: Mapping[nn.Module, Observe]) -> Iterator[None]:
    """Context in which each of some attentions calls its observer while it computes."""

    def begin(attention: nn.Module, *_: object) -> None:
        kernel.observe = observers[attention]

    def end(*_: object) -> None:
        kernel.observe = None

    handles = [attention.register_forward_pre_hook(begin) for attention in observers]
    handles += [attention.register_forward_hook(end) for attention in observers]
    try:
        yield
    finally:
        kernel.observe = None
        for handle in handles:
            handle.remove()


class PixelRecorder:
    """Records how the frames of a window attend to each other at some pixels.

    Args:
        processor: of the temporal attention, which knows the size of its feature map.
        points: (x, y) of each pixel as fractions of the model's picture, 0..1.

    Attributes:
        weights: (points, frames, frames) of the last pass, of its conditional half if it has two;
            row f has the weights with which frame f takes the others, with sum 1.
    """

    def __init__(
        self, processor: TemperatureProcessor, points: Sequence[tuple[float, float]]
    ) -> None:
        self._processor, self._points = processor, points
        self.weights: Weights = np.zeros((0, 0, 0), np.float32)

    def __call__(self, query: Tensor, key: Tensor) -> None:
        """Record the weights; queries and keys are (copies * height * width, heads, frames, d)."""
        height, width = self._processor.size
        last_copy = len(query) - height * width
        rows = [last_copy + pixel_index(point, height, width) for point in self._points]
        self.weights = attention_weights(query[rows], key[rows]).cpu().numpy()


class ReferenceRecorder:
    """Records how the cells of a result frame attend to the cells of the source picture.

    Args:
        frames: positions in the window of the frames to record.

    Attributes:
        weights: by frame, (cells, source cells), each row with the sum of what goes to the source,
            0..1; the rest goes to the frame's own cells.
    """

    def __init__(self, frames: Sequence[int]) -> None:
        self._frames = frames
        self.weights: list[Weights] = []

    def __call__(self, query: Tensor, key: Tensor) -> None:
        """Record the weights of a pass with reference; one without it has no further keys.

        Args:
            query: (frames, heads, cells, d).
            key: (frames, heads, cells + source cells, d).
        """
        cells = query.shape[2]
        if key.shape[2] == cells:
            return
        self.weights = [
            attention_weights(query[frame, None], key[frame, None])[0, :, cells:].cpu().numpy()
            for frame in self._frames
        ]


def pixel_index(point: tuple[float, float], height: int, width: int) -> int:
    """Return the row-major index of the pixel at (x, y), fractions of the picture, 0..1."""
    x, y = (
        min(int(fraction * size), size - 1)
        for fraction, size in zip(point, (width, height), strict=True)
    )
    return y * width + x


def temporal_recorders(
    unet: nn.Module, points: Sequence[tuple[float, float]]
) -> dict[str, tuple[nn.Module, PixelRecorder]]:
    """Return a denoising UNet's temporal attentions by name with a recorder for each.

    They are sorted by name, which is the order of a pass: down, mid, up.
    """
    return {
        name: (module, PixelRecorder(module.processor, points))
        for name, module in sorted(unet.named_modules())
        if isinstance(module, Attention) and isinstance(module.processor, TemperatureProcessor)
    }
