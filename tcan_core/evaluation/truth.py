"""What a result is measured against, and the baseline that needs no model."""

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
    """What a result is measured against.

    Shapes: f frames, h height, w width

    Attributes:
        source: (h, w, 3), the character's picture.
        frames: (f, h, w, 3), what the result should be.
        moving: (f, h, w), where these differ from the source.
        still: (h, w), where all of these show background.
    """

    source: Frames
    frames: Frames
    moving: Mask
    still: Mask

    @classmethod
    def read(cls, pair: Pair) -> Truth:
        """Read the truth of a pair."""
        source, frames = pair.source(), pair.truth()
        moving = metrics.moving_region_mask(source, frames)
        return cls(source, frames, moving, pair.still_background())

    def measure(self, result: Frames, more: Mapping[str, Metric] | None = None) -> Metrics:
        """Return every metric of a result, (f, h, w, 3).

        Args:
            more: further metrics, by name: of the result and the truth's frames.

        Raises:
            InputError: the result has another shape than the truth.
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
        return {name: known(value) for name, value in measured.items()}


def repeat_source(truth: Truth) -> Frames:
    """The baseline: the source picture, standing still, (f, h, w, 3)."""
    return np.repeat(truth.source[None], len(truth.frames), axis=0)


def known(value: float) -> float | None:
    """Return the value, or None where it is not finite, as JSON has no word for that."""
    return value if math.isfinite(value) else None
