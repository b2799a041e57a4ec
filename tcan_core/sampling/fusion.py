"""Fuse overlapping windows into one prediction for the whole video.

A frame near a window's edge has neighbours on one side only, so `pyramid` gives it a smaller
weight; `flat` is the paper's plain mean. Sums are float32 in host memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from tcan_core.errors import ContextWindowError, ParameterError

FusionKind = Literal["pyramid", "flat"]


def window_weights(context_size: int, kind: FusionKind = "pyramid") -> Tensor:
    """Return the weight of each frame of a window, (context_size,) float32, positive.

    `pyramid` counts the distance from the nearer edge: 1, 2, ..., 2, 1. `flat` is 1 everywhere.

    Raises:
        ParameterError: `kind` is unknown.
    """
    if kind == "flat":
        return torch.ones(context_size)
    if kind == "pyramid":
        ramp = torch.arange(1, context_size + 1, dtype=torch.float32)
        return torch.minimum(ramp, ramp.flip(0))
    raise ParameterError(f"fusion is {kind!r}; it must be 'pyramid' or 'flat'")


class WindowFuser:
    """The weighted mean over the windows that cover each frame, computed window by window.

    Shapes: b batch, c latent channels, f frames in a window, F frames in the video, h w latent size

    Args:
        windows: frame indices of each window, all of one length f; every frame appears at least
            once.
        shape: (b, c, F, h, w) of the whole video.
        kind: weights of a window's frames.

    Raises:
        ContextWindowError: a frame is covered by no window, or lies outside the video.
    """

    def __init__(
        self, windows: Sequence[Sequence[int]], shape: Sequence[int], kind: FusionKind = "pyramid"
    ) -> None:
        self._windows = [torch.as_tensor(window) for window in windows]
        self._weights = [window_weights(len(window), kind) for window in windows]
        self._sum = torch.zeros(tuple(shape))
        self._total = _total_weight(self._windows, self._weights, shape[2])

    def add(self, index: int, noise_pred: Tensor) -> None:
        """Add the prediction for window number `index`, (b, c, f, h, w) on any device."""
        weights = self._weights[index].view(-1, 1, 1)
        self._sum.index_add_(2, self._windows[index], noise_pred.to(self._sum) * weights)

    def result(self) -> Tensor:
        """Return (b, c, F, h, w) float32; all windows must have been added."""
        return self._sum / self._total.view(-1, 1, 1)


def fuse_windows(
    noise_pred: Tensor,
    windows: Sequence[Sequence[int]],
    num_frames: int,
    kind: FusionKind = "pyramid",
) -> Tensor:
    """Average overlapping windows into one noise prediction.

    Shapes: n windows, b batch, c latent channels, f frames in a window, h w latent size

    Args:
        noise_pred: (n, b, c, f, h, w), in the order of `windows`.
        windows: frame indices of each window; every frame appears at least once.
        num_frames: frames in the whole video.
        kind: weights of a window's frames.

    Returns:
        (b, c, num_frames, h, w) float32, the weighted mean over the windows that cover each frame.

    Raises:
        ContextWindowError: a frame is covered by no window.

    Source: TCAN, arXiv 2407.09012, long video inference (MultiDiffusion along time).
    """
    _, batch, channels, _, height, width = noise_pred.shape
    fuser = WindowFuser(windows, (batch, channels, num_frames, height, width), kind)
    for index in range(len(windows)):
        fuser.add(index, noise_pred[index])
    return fuser.result()


def _total_weight(windows: list[Tensor], weights: list[Tensor], num_frames: int) -> Tensor:
    total = torch.zeros(num_frames)
    for window, weight in zip(windows, weights, strict=True):
        if window.min() < 0 or window.max() >= num_frames:
            raise ContextWindowError(
                f"a window holds frames {window.tolist()} of a video of {num_frames} frames"
            )
        total.index_add_(0, window, weight)
    uncovered = (total == 0).nonzero().flatten().tolist()
    if uncovered:
        raise ContextWindowError(f"frames {uncovered} of {num_frames} are covered by no window")
    return total
