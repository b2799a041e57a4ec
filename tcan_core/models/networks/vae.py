"""The image codec: diffusers' AutoencoderKL, optionally with images folded into patches.

With `patch_size` 1 it is Stable Diffusion's autoencoder. A larger patch size folds each square of
pixels into channels first, so that a small autoencoder works at a small resolution; the latents are
still 8 times smaller than the image. A small decoder of the same latents may be added for previews.
"""

from __future__ import annotations

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from torch import Tensor, nn
from torch.nn import functional as F


class ImageCodec(nn.Module):
    """Encodes images in -1..1 to unit-variance latents, and decodes them.

    Attributes:
        preview_decoder: decodes previews, much faster than `vae`; None uses `vae` for them.
    """

    def __init__(self, vae: AutoencoderKL, patch_size: int = 1) -> None:
        super().__init__()
        self.vae = vae
        self.patch_size = patch_size
        self.preview_decoder: AutoencoderTiny | None = None

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        return int(self.patch_size * 2 ** (len(self.vae.config["block_out_channels"]) - 1))

    @property
    def latent_channels(self) -> int:
        """Channels of the latents."""
        return int(self.vae.config["latent_channels"])

    @property
    def scaling_factor(self) -> float:
        """Factor that scales the autoencoder's latents to unit variance."""
        return float(self.vae.config["scaling_factor"])

    def moments(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the unscaled latents, (batch, channels, h, w) each.

        Args:
            images: (batch, 3, height, width), -1..1, both sides divisible by `factor`.
        """
        posterior = self.vae.encode(F.pixel_unshuffle(images, self.patch_size)).latent_dist
        return posterior.mean, posterior.logvar

    def unscaled_decode(self, latents: Tensor) -> Tensor:
        """Return images (batch, 3, height, width), about -1..1, from unscaled latents."""
        return F.pixel_shuffle(self.vae.decode(latents).sample, self.patch_size)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Return the mean latents, scaled to unit variance.

        Args:
            images: (batch, 3, height, width), -1..1, both sides divisible by `factor`.

        Returns:
            (batch, channels, height / factor, width / factor), in the autoencoder's type.
        """
        dtype = self.vae.dtype
        return self.moments(images.to(dtype))[0] * self.scaling_factor

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Decode latents (batch, channels, h, w) of any dtype.

        Returns:
            (batch, 3, height, width) float32, -1..1.
        """
        latents = latents.to(self.vae.dtype) / self.scaling_factor
        return self.unscaled_decode(latents).clamp(-1, 1).float()

    @torch.no_grad()
    def decode_preview(self, latents: Tensor) -> Tensor:
        """Return approximate images (batch, 3, height, width); by the preview decoder, if any.

        Source: TAESD, https://github.com/madebyollin/taesd; its encoder is not used.
        """
        tiny = self.preview_decoder
        if tiny is None:
            return self.decode(latents)
        scaled = latents.to(tiny.dtype) / float(tiny.config["scaling_factor"])
        images: Tensor = tiny.decode(scaled).sample
        return images.clamp(-1, 1).float()
