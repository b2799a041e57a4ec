"""Predictions of one window at one step, with its attention recorded or a part switched off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from tcan_core.explain.explanation import Frames, Pull, ReferenceAttention, TemporalAttention
from tcan_core.explain.recording import (
    PixelRecorder,
    ReferenceRecorder,
    Weights,
    observed,
    temporal_recorders,
)
from tcan_core.explain.switches import LoraLayers, predicting_with, without_lora
from tcan_core.explain.wrong_poses import WrongPose, compare_residuals
from tcan_core.pipelines.window_predictor import WindowPredictor

# Cells of the picture between which reference attention is shown: its square is kept per frame.
MAX_CELLS = 1024


class WindowLook:
    """Predictions of one window at one step.

    Args:
        latents: (1, channels, frames, h, w), the network's input.
        timestep: ().
    """

    def __init__(
        self, predictor: WindowPredictor, latents: Tensor, timestep: Tensor, window: list[int]
    ) -> None:
        self._predictor, self._tcan = predictor, predictor.tcan
        self._latents, self._timestep, self._window = latents, timestep, window

    def _predict(self) -> Tensor:
        """Predict the window, (1, channels, frames, h, w) float32 on the host."""
        return self._predictor(self._latents, self._timestep, [self._window]).float().cpu()

    def guidance(self) -> Pull:
        """Compare the conditional prediction with the unconditional one."""
        with predicting_with(self._predictor, guidance_scale=0):
            unconditional = self._predict()
        with predicting_with(self._predictor, guidance_scale=1):
            self._conditional = self._predict()
        return _pull(self._conditional, unconditional)

    def lora(self, lora: LoraLayers) -> Pull | None:
        """Compare the conditional prediction, after `guidance`, with one without the LoRA."""
        if not lora:
            return None
        with predicting_with(self._predictor, guidance_scale=1):
            with without_lora(self._predictor, lora):
                return _pull(self._conditional, self._predict())

    def attention(
        self, points: Sequence[tuple[float, float]]
    ) -> tuple[TemporalAttention | None, ReferenceAttention]:
        """Predict as the run does, and once more without PTM.

        Args:
            points: (x, y) as fractions of the model's picture.
        """
        unet, kernel = self._tcan.denoising_unet, self._tcan.kernel
        layers = temporal_recorders(unet, points)
        over_time = dict(layers.values())
        name, size = self._reference_layer()
        reference = ReferenceRecorder(range(len(self._window)))
        with observed(kernel, {unet.get_submodule(name): reference, **over_time}):
            self._predict()
        temporal = None
        if over_time:
            weights, without_ptm = _stacked(over_time), None
            if self._predictor.ptm_tau:
                with predicting_with(self._predictor, ptm_tau=0), observed(kernel, over_time):
                    self._predict()
                without_ptm = _stacked(over_time)
            temporal = TemporalAttention(list(layers), weights, without_ptm)
        return temporal, ReferenceAttention(name, size, reference.weights)

    def _reference_layer(self) -> tuple[str, tuple[int, int]]:
        """Return the finest self-attention with reference of at most `MAX_CELLS`, and its size."""
        cells = {name: each.shape[1] for name, each in self._tcan.bank.features.items()}
        few = [count for count in cells.values() if count <= MAX_CELLS] or [min(cells.values())]
        name = [key for key, count in cells.items() if count == max(few)][-1]
        return name.removesuffix(".processor"), cells_of(cells[name], self._latents.shape[-2:])

    def wrong_pose(self, maps: Frames, frame: int, wrong_map: Frames) -> WrongPose:
        """Compare the ControlNet's residuals with one wrong pose, (height, width, 3)."""
        device = self._predictor.ref_image_latents.device
        latents = self._latents.to(device, self._tcan.dtype)
        timestep = self._timestep.to(device)[None]
        return compare_residuals(self._tcan, latents, timestep, maps, frame, wrong_map)


def cells_of(count: int, size: Sequence[int]) -> tuple[int, int]:
    """Return (rows, columns) of a feature map with `count` cells for latents of a size (h, w)."""
    height, width = size
    while height * width > count:
        height, width = -(-height // 2), -(-width // 2)
    return height, width


def _stacked(recorders: dict[nn.Module, PixelRecorder]) -> Weights:
    return np.stack([recorder.weights for recorder in recorders.values()])


def _pull(prediction: Tensor, other: Tensor) -> Pull:
    difference = prediction - other
    maps = difference[0].square().mean(0).sqrt().numpy()
    relative = difference.square().mean().sqrt() / prediction.square().mean().sqrt()
    return Pull(maps, float(relative))
