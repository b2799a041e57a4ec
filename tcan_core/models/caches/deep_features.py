"""A cache of the denoising UNet's deep features: faster denoising, not exact.

Deep features change slowly from step to step. Every window passes the whole network once, then
`interval - 1` times only the first down block and the last up block, which takes the cached
features.

The features are stored in host memory. Their size grows with the video's length, so it is limited;
windows beyond the limit pass the whole network at every step. Which windows these are depends only
on their position in the video, not on batches or on the process that predicts them.

Source: DeepCache, arXiv 2312.00858.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MAX_BYTES = 4 * 2**30


@dataclass
class DeepFeatures:
    """Inputs of the last up block, for the passes of guidance.

    Attributes:
        tensors: (b * f, channels, h', w') each, the unconditional one first. If they are given,
            the deeper blocks do not run; if empty, these run and fill them.
    """

    tensors: list[Tensor]


@dataclass
class _Entry:
    tensors: list[Tensor]
    uses_left: int


class DeepFeatureCache:
    """The deep features of one video's windows.

    Args:
        interval: steps from one pass of the whole network to the next, at least 1; 1 caches
            nothing.
        windows: frame indices of all windows of the video, in order; each starts at another frame.
        max_bytes: limit of host memory for all features.
    """

    def __init__(
        self, interval: int, windows: Sequence[Sequence[int]], max_bytes: int = MAX_BYTES
    ) -> None:
        self._interval = interval
        self._max_bytes = max_bytes
        self._position = {window[0]: position for position, window in enumerate(windows)}
        self._entries: dict[int, _Entry] = {}  # by the window's first frame

    def has(self, window: Sequence[int]) -> bool:
        """Return whether the window's features are cached."""
        return window[0] in self._entries

    def empty(self) -> DeepFeatures | None:
        """Return empty features, to be filled and kept; None if nothing is cached."""
        return None if self._interval == 1 else DeepFeatures([])

    def take(self, windows: Sequence[Sequence[int]], device: torch.device) -> DeepFeatures:
        """Return the features of windows that are all cached; counts as one use of each."""
        entries = [self._entries[window[0]] for window in windows]
        for window, entry in zip(windows, entries, strict=True):
            entry.uses_left -= 1
            if entry.uses_left == 0:
                del self._entries[window[0]]
        by_pass = zip(*(entry.tensors for entry in entries), strict=True)
        return DeepFeatures([torch.cat(tensors).to(device) for tensors in by_pass])

    def keep(self, windows: Sequence[Sequence[int]], features: DeepFeatures) -> None:
        """Cache the features of these windows, except of windows beyond the limit."""
        window_bytes = sum(tensor.nbytes for tensor in features.tensors) / len(windows)
        by_pass = [tensor.cpu().chunk(len(windows)) for tensor in features.tensors]
        for window, *tensors in zip(windows, *by_pass, strict=True):
            if (self._position[window[0]] + 1) * window_bytes <= self._max_bytes:
                copies = [tensor.clone() for tensor in tensors]
                self._entries[window[0]] = _Entry(copies, self._interval - 1)
