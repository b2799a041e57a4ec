"""The diffusion loss shared by prior, stage 1 and stage 2."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from tcan_core.sampling.schedulers import NoiseSchedule, PredictionType
from tcan_core.training.samples import Samples, integers, normal

MIN_WEIGHT, MAX_WEIGHT = 0.4, 3.0


class NoisyLatents(NamedTuple):
    """A batch of noisy latents and the training target.

    Attributes:
        noisy: (batch, ...) `sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) noise`.
        timestep: (batch,) in 0..999.
        target: noise, velocity or x0, shaped like `noisy`.
        weight: (batch,) weight of each sample's squared error.
    """

    noisy: Tensor
    timestep: Tensor
    target: Tensor
    weight: Tensor

    def to(self, device: str) -> NoisyLatents:
        """Return the batch on a device."""
        return NoisyLatents(*(part.to(device) for part in self))

    def loss(self, prediction: Tensor) -> Tensor:
        """Return the weighted mean squared error."""
        squared = (
            F.mse_loss(prediction.float(), self.target, reduction="none").flatten(1).mean(dim=1)
        )
        return (self.weight * squared).mean()


def add_noise(latents: Tensor, prediction_type: PredictionType, samples: Samples) -> NoisyLatents:
    """Draw a timestep and noise for each sample.

    An x0 target is weighted by its signal-to-noise ratio clipped to 0.4..3; epsilon and velocity
    targets are not weighted.

    Args:
        latents: (batch, ...), unit variance; each sample gets one timestep.
        samples: random generators, one per row of the batch.
    """
    alphas = alphas_cumprod()
    timestep = torch.from_numpy(integers(samples, len(alphas)))
    noise = normal(samples, latents.shape[1:])
    alpha = alphas[timestep].reshape(-1, *[1] * (latents.ndim - 1))
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    if prediction_type == "sample":
        ratio = (alphas / (1 - alphas))[timestep]
        return NoisyLatents(noisy, timestep, latents, ratio.clamp(MIN_WEIGHT, MAX_WEIGHT))
    target = (
        noise
        if prediction_type == "epsilon"
        else alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
    )
    return NoisyLatents(noisy, timestep, target, torch.ones(len(latents)))


def alphas_cumprod() -> Tensor:
    """Return the signal's share of the variance at each timestep, (1000,)."""
    schedule = NoiseSchedule()
    betas = torch.linspace(
        schedule.beta_start, schedule.beta_end, schedule.num_train_timesteps, dtype=torch.float64
    )
    return torch.cumprod(1 - betas, dim=0).float()
