"""What the deep blocks of the denoising UNet said, kept for a few steps: not exact, but fast.

Deep features change slowly from step to step, so that most of the network need not run at each.
Every window runs whole, then `interval - 1` times with its last up block alone, into which go the
features kept and the skips of the first down block, computed anew.

The features lie on the host, as the latents do. They grow with the video's length, so there is a
bound, behind which windows run whole at every step. It is drawn by a window's place among the
video's: which windows run whole does not depend on batches, nor on which process has which window.

Source: DeepCache, arXiv 2312.00858.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

KEEP_BYTES = 4 * 2**30


@dataclass
class DeepFeatures:
    """What enters the last up block, for each half of guidance that is computed.

    Attributes:
        halves: (b * f, channels, h', w') each, the unconditional one first. Given, the deeper
            blocks do not run; empty, they run and leave it here.
    """

    halves: list[Tensor]


@dataclass
class _Kept:
    halves: list[Tensor]
    uses_left: int


class DeepFeatureCache:
    """Keeps the deep features of one video's windows.

    Args:
        interval: every how many steps a window runs whole, at least 1; 1 keeps nothing.
        windows: frame indices of all the video's windows, in order; no two begin alike.
        keep_bytes: host memory for the features of all of them.
    """

    def __init__(
        self, interval: int, windows: Sequence[Sequence[int]], keep_bytes: int = KEEP_BYTES
    ) -> None:
        self._interval = interval
        self._keep_bytes = keep_bytes
        self._place = {window[0]: place for place, window in enumerate(windows)}
        self._kept: dict[int, _Kept] = {}  # by the window's first frame

    def knows(self, window: Sequence[int]) -> bool:
        """Whether this window need not run whole."""
        return window[0] in self._kept

    def wanted(self) -> DeepFeatures | None:
        """What a whole run shall fill, or None where nothing is kept."""
        return None if self._interval == 1 else DeepFeatures([])

    def take(self, windows: Sequence[Sequence[int]], device: torch.device) -> DeepFeatures:
        """Return what is kept of windows that are all known; counts as one use of each."""
        found = [self._kept[window[0]] for window in windows]
        for window, kept in zip(windows, found, strict=True):
            kept.uses_left -= 1
            if kept.uses_left == 0:
                del self._kept[window[0]]
        stacked = zip(*(kept.halves for kept in found), strict=True)
        return DeepFeatures([torch.cat(half).to(device) for half in stacked])

    def keep(self, windows: Sequence[Sequence[int]], features: DeepFeatures) -> None:
        """Remember what whole runs of these windows left, as far as there is room."""
        of_window = sum(half.nbytes for half in features.halves) / len(windows)
        halves_of = [half.cpu().chunk(len(windows)) for half in features.halves]
        for window, *halves in zip(windows, *halves_of, strict=True):
            if (self._place[window[0]] + 1) * of_window <= self._keep_bytes:
                self._kept[window[0]] = _Kept([half.clone() for half in halves], self._interval - 1)
