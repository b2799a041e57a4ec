"""Residuals of a ControlNet that sees the video in blocks of frames without overlap.

The denoising UNet's windows overlap and take each frame's residuals from its block, as in the
official code of TCAN. Seams at the ends of blocks are the price; see `controlnet` of a preset.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor

from tcan_core.models.networks.tcan import Residuals

# A window touches two blocks, so neighbouring windows compute each block once.
MAX_BLOCKS = 2


class ControlBlocks:
    """The residuals of one video's blocks; few are kept, so memory does not grow with its length.

    Args:
        compute: the ControlNet on a list of frames, and its `count`; see `Tcan.control`.
        num_frames: frames of the video.
        block_size: frames in a block; the last one may have fewer.
    """

    def __init__(
        self,
        compute: Callable[[list[int], int | None], Residuals],
        num_frames: int,
        block_size: int,
    ) -> None:
        self._compute, self._num_frames, self._block_size = compute, num_frames, block_size
        self._blocks: OrderedDict[tuple[int, bool], list[Tensor]] = OrderedDict()

    def begin_step(self) -> None:
        """Discard the blocks of the step before."""
        self._blocks.clear()

    def of_windows(self, windows: Sequence[Sequence[int]], count: int | None) -> Residuals:
        """Return the residuals of windows, (windows * frames, channels, h', w') each."""
        by_window = [self._of_window(window, count) for window in windows]
        residuals = [torch.cat(parts) for parts in zip(*by_window, strict=True)]
        return (residuals[:-1], residuals[-1]) if count is None else (residuals, None)

    def _of_window(self, window: Sequence[int], count: int | None) -> list[Tensor]:
        pieces = []
        for block, frames in groupby(window, lambda frame: frame // self._block_size):
            inside = [frame - block * self._block_size for frame in frames]
            pieces.append([part[inside] for part in self._block(block, count)])
        return [torch.cat(parts) for parts in zip(*pieces, strict=True)]

    def _block(self, block: int, count: int | None) -> list[Tensor]:
        """Return a block's residuals, that of the mid block last if `count` is None."""
        key = block, count is None
        if key not in self._blocks:
            first = block * self._block_size
            frames = list(range(first, min(first + self._block_size, self._num_frames)))
            down, mid = self._compute(frames, count)
            self._blocks[key] = down if mid is None else [*down, mid]
            if len(self._blocks) > MAX_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]
