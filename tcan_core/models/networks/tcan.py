"""The assembled model: one prediction for a batch of windows, guidance included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor, nn

from tcan_core.models.caches.deep_features import DeepFeatures
from tcan_core.models.caches.pose_cache import PoseCache
from tcan_core.models.networks.attention import Kernel, PromptCache, connect_prompt
from tcan_core.models.networks.guided_unet import Between, UpperHalf, last_skips, run_lower
from tcan_core.models.networks.motion import TemporalControlNet
from tcan_core.models.networks.reference_attention import ReferenceBank, connect_reference
from tcan_core.models.networks.temperature import Temperature, connect_temperature
from tcan_core.models.networks.vae import ImageCodec


@dataclass
class Tcan:
    """TCAN's networks, connected.

    The denoising UNet and the ControlNet each come with motion modules (stage 2, inference) or
    without (stage 1); without them every frame is denoised alone.

    Attributes:
        prompt: (1, tokens, dim), the embedding of the empty prompt.
        serial_guidance: whether the halves of guidance pass the upper half of the denoising UNet
            one after the other: half of its activations, and a little more time.
    """

    codec: ImageCodec
    denoising_unet: UNet2DConditionModel | UNetMotionModel
    reference_unet: UNet2DConditionModel
    controlnet: ControlNetModel | TemporalControlNet
    prompt: Tensor
    serial_guidance: bool = False
    kernel: Kernel = field(default_factory=Kernel)
    bank: ReferenceBank = field(init=False)
    temperature: Temperature = field(init=False)
    prompt_cache: PromptCache = field(init=False)
    pose_cache: PoseCache | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        unet, controlnet = self.denoising_unet, self.controlnet
        self.bank = connect_reference(self.reference_unet, unet, self.kernel)
        self.temperature = connect_temperature([unet, controlnet], self.kernel)
        self.prompt_cache = connect_prompt([unet, self.reference_unet, controlnet], self.kernel)

    @property
    def has_motion(self) -> bool:
        """Whether the denoising UNet sees the frames of a window together."""
        return isinstance(self.denoising_unet, UNetMotionModel)

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Codec, denoising UNet, reference UNet and ControlNet."""
        return self.codec, self.denoising_unet, self.reference_unet, self.controlnet

    @property
    def denoising_networks(self) -> tuple[nn.Module, ...]:
        """Denoising UNet, reference UNet and ControlNet."""
        return self.denoising_unet, self.reference_unet, self.controlnet

    @property
    def dtype(self) -> torch.dtype:
        """What the denoising networks compute in."""
        return self.prompt.dtype

    def to(self, device: str) -> Tcan:
        """Move every network and return self."""
        for network in self.networks:
            network.to(device)
        self.prompt = self.prompt.to(device)
        return self

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass instead of keeping them."""
        for network in (self.denoising_unet, self.reference_unet, self.controlnet):
            network.enable_gradient_checkpointing()

    @contextmanager
    def one_video(self) -> Iterator[None]:
        """While a video is denoised; what was kept for its windows leaves the device at the end."""
        try:
            yield
        finally:
            self.bank.clear()
            self.temperature.maps = None

    def read_reference(self, ref_image_latents: Tensor, timestep: Tensor) -> None:
        """Fill the bank from the source pictures' clean latents.

        Args:
            ref_image_latents: (sources, channels, h, w), means of the autoencoder, unit variance;
                no sources leave the bank empty.
            timestep: (sources,) of the step that is denoised.
        """
        prompt = self.prompt.expand(len(ref_image_latents), -1, -1)
        with self.bank.reading():
            if len(ref_image_latents):
                self.reference_unet(ref_image_latents, timestep, prompt)

    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        pose_maps: Tensor,
        guidance_scale: float = 1.0,
        deep: DeepFeatures | None = None,
        between: Between = lambda: None,
    ) -> Tensor:
        """Predict for a batch of windows; `read_reference` comes first.

        Shapes: b windows, c latent channels, f frames, h w latent size

        Args:
            latents: (b, c, f, h, w) noisy latents.
            timestep: (b,).
            pose_maps: (b, 3, f, height, width), 0..1.
            guidance_scale: 1 computes no unconditional half. The unconditional half has no
                reference, but pose and temperature.
            deep: of these windows, to be used or to be filled; without motion modules it is left
                as it is.
            between: see `models.halves`.

        Returns:
            (b, c, f, h, w): noise, velocity or sample, as the preset's prediction type says.
        """
        unet, rows = self.denoising_unet, latents.shape[0] * latents.shape[2]
        if not isinstance(unet, UNetMotionModel):
            residuals, mid_residual = self.control(latents, timestep, pose_maps)
            return self._predict_images(latents, timestep, residuals, mid_residual, guidance_scale)
        known = [] if deep is None else deep.halves
        lower = run_lower(unet, latents, timestep, self._text(latents), deep=not known)
        between()
        if known:
            count = last_skips(unet)
            lower = lower.add(self._first_residuals(latents, timestep, pose_maps, count))
        else:
            lower = lower.add(*self.control(latents, timestep, pose_maps))
        upper = UpperHalf(self.bank, unet, lower, known, between)
        if guidance_scale == 1:
            prediction = upper.one(0, plain_rows=0)
        else:
            unconditional, conditional = (
                (upper.one(0, plain_rows=rows), upper.one(1, plain_rows=0))
                if self.serial_guidance
                else upper.both(plain_rows=rows)
            )
            prediction = unconditional + guidance_scale * (conditional - unconditional)
        if deep is not None and not known:
            deep.halves = upper.left
        return prediction

    def _predict_images(
        self,
        latents: Tensor,
        timestep: Tensor,
        residuals: list[Tensor],
        mid_residual: Tensor,
        guidance_scale: float,
    ) -> Tensor:
        """See `predict`; without motion modules, as between the stages of training."""
        if guidance_scale == 1:
            self.bank.plain_rows = 0
            return self.denoise(latents, timestep, residuals, mid_residual)
        self.bank.plain_rows = latents.shape[0] * latents.shape[2]
        both = self.denoise(
            torch.cat([latents, latents]),
            torch.cat([timestep, timestep]),
            [torch.cat([residual, residual]) for residual in residuals],
            torch.cat([mid_residual, mid_residual]),
        )
        unconditional, conditional = both.chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    def control(
        self, latents: Tensor, timestep: Tensor, pose_maps: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Return the ControlNet's residuals, (b * f, channels, h', w') each; see `predict`."""
        frames = latents.shape[2]
        maps, text = _as_images(pose_maps), self._text(latents)
        if isinstance(self.controlnet, TemporalControlNet):
            residuals: tuple[list[Tensor], Tensor] = self.controlnet(latents, timestep, text, maps)
            return residuals
        down, mid = self.controlnet(
            _as_images(latents), timestep.repeat_interleave(frames), text, maps, return_dict=False
        )
        return list(down), mid

    def _first_residuals(
        self, latents: Tensor, timestep: Tensor, pose_maps: Tensor, count: int
    ) -> list[Tensor]:
        """The first residuals of `control`, with no more work than they need."""
        if not isinstance(self.controlnet, TemporalControlNet):
            return self.control(latents, timestep, pose_maps)[0][:count]
        maps, text = _as_images(pose_maps), self._text(latents)
        residuals: list[Tensor] = self.controlnet(latents, timestep, text, maps, count)[0]
        return residuals

    def denoise(
        self, latents: Tensor, timestep: Tensor, residuals: list[Tensor], mid_residual: Tensor
    ) -> Tensor:
        """Run the denoising UNet on (b, c, f, h, w) with residuals of as many frames."""
        frames = latents.shape[2]
        common = {
            "encoder_hidden_states": self._text(latents),
            "down_block_additional_residuals": residuals,
            "mid_block_additional_residual": mid_residual,
            "return_dict": False,
        }
        if isinstance(self.denoising_unet, UNetMotionModel):
            video: Tensor = self.denoising_unet(latents, timestep, **common)[0]
            return video
        images: Tensor = self.denoising_unet(
            _as_images(latents), timestep.repeat_interleave(frames), **common
        )[0]
        return torch.unflatten(images, 0, (-1, frames)).transpose(1, 2)

    def _text(self, latents: Tensor) -> Tensor:
        return self.prompt.expand(latents.shape[0] * latents.shape[2], -1, -1)


def _as_images(video: Tensor) -> Tensor:
    """(b, c, f, h, w) to (b * f, c, h, w)."""
    return video.transpose(1, 2).flatten(0, 1)
