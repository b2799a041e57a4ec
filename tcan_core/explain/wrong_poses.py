"""The effect of a wrong pose on the ControlNet's residuals, with temporal layers and without."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from tcan_core.explain.switches import without_motion
from tcan_core.models.networks.tcan import Tcan

Map = NDArray[np.float32]


@dataclass(frozen=True)
class WrongPose:
    """The effect of one wrong pose in a window.

    Attributes:
        frame: position in the window of the frame with the wrong pose.
        true_map, wrong_map: (height, width, 3) uint8, its skeletons in the model's size.
        with_layers, without_layers: (frames, h, w), the change of the residuals at each latent
            pixel relative to the size of the residuals; 0 is no change. The temporal layers repair
            a pose as far as the former is smaller at `frame`.
    """

    frame: int
    true_map: NDArray[np.uint8]
    wrong_map: NDArray[np.uint8]
    with_layers: Map
    without_layers: Map


def compare_residuals(
    tcan: Tcan,
    latents: Tensor,
    timestep: Tensor,
    maps: NDArray[np.uint8],
    frame: int,
    wrong_map: NDArray[np.uint8],
) -> WrongPose:
    """Run the ControlNet with the true poses and with one wrong one.

    Args:
        latents: (1, c, f, h, w), the network's input, on the model's device.
        timestep: (1,).
        maps: (f, height, width, 3) the window's poses.
        frame: position of the frame to change.
        wrong_map: (height, width, 3), its wrong pose.
    """
    wrong_maps = maps.copy()
    wrong_maps[frame] = wrong_map

    def residuals(chosen: NDArray[np.uint8]) -> list[Tensor]:
        pixels = torch.from_numpy(chosen).to(latents.device).permute(3, 0, 1, 2)[None]
        down, mid = tcan.control(latents, timestep, pixels.to(latents.dtype) / 255)
        return down if mid is None else [*down, mid]

    def change() -> Map:
        return relative_change(residuals(maps), residuals(wrong_maps), latents.shape[-2:])

    assert tcan.controlnet is not None
    with_layers = change()
    with without_motion(tcan.controlnet):
        without_layers = change()
    return WrongPose(frame, maps[frame], wrong_map, with_layers, without_layers)


def relative_change(true: list[Tensor], wrong: list[Tensor], size: torch.Size) -> Map:
    """Return how much residuals differ, as a fraction of their size, (frames, h, w).

    Args:
        true, wrong: (frames, channels, h', w') each, of all levels; every level counts the same.
        size: (h, w) to which the levels are enlarged, by nearest.
    """
    squares = []
    for one, other in zip(true, wrong, strict=True):
        scale = one.float().square().mean().clamp_min(1e-12)
        square = (other - one).float().square().mean(1, keepdim=True) / scale
        squares.append(F.interpolate(square, size=tuple(size), mode="nearest"))
    change: Map = torch.stack(squares).mean(0)[:, 0].sqrt().cpu().numpy()
    return change
