"""Pictures of sample sheets, and their layout."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def as_pictures(images: Tensor) -> NDArray[np.uint8]:
    """Convert (batch, 3, height, width) in -1..1 to (batch, height, width, 3) uint8."""
    pixels = ((images.float().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu().numpy()


def tile(rows: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Stack rows of images, each (batch, height, width, 3), into one image."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def maps_as_pictures(pose_maps: Tensor) -> NDArray[np.uint8]:
    """Convert pose maps (batch, 3, height, width) in 0..1 to (batch, height, width, 3) uint8."""
    return (pose_maps * 255).round().byte().permute(0, 2, 3, 1).numpy()


def with_lines(picture: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a darkened picture with a drawn pose over it; all are (height, width, 3)."""
    return np.where(drawn.max(axis=2, keepdims=True) > 0, drawn, picture // 2)


def fixed_choice(count: int, size: int) -> NDArray[np.int64]:
    """Return `size` fixed indices below `count`, different ones if there are so many."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1)).numpy()
    return np.resize(order, size)
