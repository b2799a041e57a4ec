"""A predictor that knows the result, which every scheduler must recover."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from tcan_core.sampling.schedulers import (
    NoiseSchedule,
    PredictionType,
    Scheduler,
    alpha_bar_at,
    convert_prediction,
)

SCHEDULE = NoiseSchedule()


def random_video(num_frames: int, seed: int = 0) -> Tensor:
    """Return latents wider than -1..1, (1, 4, num_frames, 4, 4)."""
    return 2 * torch.randn(1, 4, num_frames, 4, 4, generator=torch.Generator().manual_seed(seed))


@dataclass
class PerfectPredictor:
    """Predicts exactly what leads to `x0`, (1, c, F, h, w); records the windows of calls."""

    x0: Tensor
    scheduler: Scheduler
    prediction_type: PredictionType
    batches: list[list[list[int]]] = field(default_factory=list)

    def __call__(self, latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        self.batches.append(windows)
        x0 = torch.cat([self.x0[:, :, window] for window in windows])
        alpha_bar = alpha_bar_at(self.scheduler, timestep)
        return convert_prediction(x0, latents, alpha_bar, "sample", self.prediction_type)
