"""Ground truth of a pair, and the baseline that repeats the source image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tcan_core.evaluation import metrics
from tcan_core.evaluation.metrics import Frames, Mask, Metric
from tcan_core.evaluation.pairs import Pair
from tcan_core.evaluation.report import Metrics


@dataclass(frozen=True)
class Truth:
    """Ground truth of a pair.

    Shapes: f frames, h height, w width

    Attributes:
        source: (h, w, 3), the source image.
        frames: (f, h, w, 3), the ideal result.
        moving: (f, h, w), mask of the pixels where `frames` differ from `source`.
        still: (h, w), mask of the pixels that show background in all frames.
    """

    source: Frames
    frames: Frames
    moving: Mask
    still: Mask

    @classmethod
    def read(cls, pair: Pair) -> Truth:
        """Read the ground truth of a pair."""
        source, frames = pair.source(), pair.truth()
        moving = metrics.moving_region_mask(source, frames)
        return cls(source, frames, moving, pair.still_background())

    def measure(self, result: Frames, more: Mapping[str, Metric] | None = None) -> Metrics:
        """Return all metrics of a result, (f, h, w, 3).

        Args:
            more: additional metrics by name, called with the result and the true frames.

        Raises:
            InputError: the shapes of result and truth differ.
        """
        measured = {
            "l1": metrics.l1(result, self.frames),
            "psnr": metrics.psnr(result, self.frames),
            "ssim": metrics.ssim(result, self.frames),
            "moving_region_psnr": metrics.moving_region_psnr(result, self.frames, self.moving),
            "flicker": metrics.flicker(result, self.frames, self.moving),
            "flicker_error": metrics.flicker_error(result, self.frames, self.moving),
            "background_motion": metrics.background_motion(result, self.still),
        }
        measured |= {name: metric(result, self.frames) for name, metric in (more or {}).items()}
        return {name: finite_or_none(value) for name, value in measured.items()}


def repeat_source(truth: Truth) -> Frames:
    """Return the baseline that repeats the source image, (f, h, w, 3)."""
    return np.repeat(truth.source[None], len(truth.frames), axis=0)


def finite_or_none(value: float) -> float | None:
    """Return the value, or None if it is not finite, because JSON has no such numbers."""

    return value if math.isfinite(value) else None
