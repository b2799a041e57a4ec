"""What stage 1 and stage 2 learn from, whichever world the pictures come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


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

    def sample(self, size: int, generator: torch.Generator) -> ClipBatch:
        """Draw a batch; the generator's state alone decides which."""

    def examples(self, count: int) -> tuple[ClipBatch, NDArray[np.uint8]]:
        """Return a batch for sample sheets, always the same, and its pictures.

        The pictures, (count, 1 + f, height, width, 3) uint8 RGB, are the source and its targets.
        """
