"""The diffusion loss shared by prior, stage 1 and stage 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from torch import Tensor
from torch.nn import functional as F

from tcan_core.models.weights.presets import Preset
from tcan_core.sampling.schedulers import NoiseSchedule, PredictionType
from tcan_core.training.samples import Samples, integers, normal

MIN_WEIGHT, MAX_WEIGHT = 0.4, 3.0


@dataclass(frozen=True)
class LossConfig:
    """Weights of timesteps, and noise.

    Attributes:
        min_snr_gamma: limit of the signal-to-noise ratio by which a sample's error counts (min-SNR
            weighting, 5 is common); None weights epsilon and velocity equally at all timesteps.
        noise_offset: deviation of a constant that is added to the noise of each latent channel of a
            sample (0.05 to 0.1 is common), so that a model learns very dark and very bright images.
    """

    min_snr_gamma: float | None = None
    noise_offset: float = 0.0


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


def add_noise(
    latents: Tensor,
    schedule: NoiseSchedule,
    samples: Samples,
    config: LossConfig = LossConfig(),
) -> NoisyLatents:
    """Draw a timestep and noise for each sample.

    Args:
        latents: (batch, channels, ...), unit variance; each sample gets one timestep.
        schedule: noise levels, and what the network predicts.
        samples: random generators, one per row of the batch.
    """
    alphas = alphas_cumprod(schedule)
    timestep = torch.from_numpy(integers(samples, len(alphas)))
    noise = normal(samples, latents.shape[1:])
    if config.noise_offset:
        offset = normal(samples, latents.shape[1:2])
        noise = noise + config.noise_offset * offset.reshape(*offset.shape, *[1] * (noise.ndim - 2))
    alpha = alphas[timestep].reshape(-1, *[1] * (latents.ndim - 1))
    noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
    target = {
        "sample": lambda: latents,
        "epsilon": lambda: noise,
        "v_prediction": lambda: alpha.sqrt() * noise - (1 - alpha).sqrt() * latents,
    }[schedule.prediction_type]()
    weight = _weight(alphas[timestep], schedule.prediction_type, config.min_snr_gamma)
    return NoisyLatents(noisy, timestep, target, weight)


def _weight(alpha: Tensor, prediction_type: PredictionType, gamma: float | None) -> Tensor:
    """Return the weight of each sample's squared error, (batch,).

    Without min-SNR, an x0 target is weighted by its signal-to-noise ratio clipped to 0.4..3;
    epsilon and velocity targets are not weighted.

    Source: Efficient Diffusion Training via Min-SNR Weighting, arXiv 2303.09556, section 3.4.
    """
    ratio = alpha / (1 - alpha)
    if gamma is None:
        is_sample = prediction_type == "sample"
        return ratio.clamp(MIN_WEIGHT, MAX_WEIGHT) if is_sample else torch.ones_like(ratio)
    ones = torch.ones_like(ratio)
    of_target = {"sample": ones, "epsilon": ratio, "v_prediction": ratio + 1}[prediction_type]
    return ratio.clamp(max=gamma) / of_target


def noise_schedule(preset: Preset) -> NoiseSchedule:
    """Return the schedule that a preset's networks were trained with."""
    return NoiseSchedule(
        beta_schedule=preset.schedule.beta_schedule,
        prediction_type=preset.prediction_type,
        rescale_betas_zero_snr=preset.schedule.zero_terminal_snr,
    )


def alphas_cumprod(schedule: NoiseSchedule) -> Tensor:
    """Return the signal's share of the variance at each timestep, (1000,)."""
    power = 2 if schedule.beta_schedule == "scaled_linear" else 1
    ends = schedule.beta_start ** (1 / power), schedule.beta_end ** (1 / power)
    betas = torch.linspace(*ends, schedule.num_train_timesteps, dtype=torch.float64) ** power
    if schedule.rescale_betas_zero_snr:
        betas = rescale_zero_terminal_snr(betas)
    return torch.cumprod(1 - betas, dim=0).float()
