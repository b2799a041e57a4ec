"""What stage 1 and stage 2 learn from, whichever world the pictures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tcan_core.training.samples import Samples


@dataclass(frozen=True)
class ClipBatch:
    """Source pictures and, for each, target frames with their poses; stage 1 has one frame each.

    Shapes: b batch, c latent channels, f frames, h w latent size

    Attributes:
        sources: (b, c, h, w) latents, unit variance.
        latents: (b, c, f, h, w) of the target frames, unit variance.
        pose_maps: (b, 3, f, height, width), 0..1.
    """

    sources: Tensor
    latents: Tensor
    pose_maps: Tensor

    def to(self, device: str) -> ClipBatch:
        """Return the batch on a device."""
        parts = (self.sources, self.latents, self.pose_maps)
        return ClipBatch(*(part.to(device) for part in parts))


class ClipData(Protocol):
    """Pictures of characters in motion, as the codec's latents."""

    def sample(self, samples: Samples) -> ClipBatch:
        """Draw a row for each sample, from its generator alone."""

    def examples(self, count: int) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return a batch for sample sheets, always the same, and its pictures.

        The pictures, (count, 1 + f, height, width, 3) uint8 RGB, are the source and its targets.
        """


def choose_frames(rng: np.random.Generator, length: int, num_frames: int) -> tuple[int, int]:
    """Return the source's frame and the first target frame, in a clip of `length` frames.

    A single target is never its own source.
    """
    if num_frames == 1:
        source, target = rng.choice(length, 2, replace=False)
        return int(source), int(target)
    return int(rng.integers(length)), int(rng.integers(length - num_frames + 1))
