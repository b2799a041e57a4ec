"""The assembled model, which predicts a batch of windows with guidance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.models.caches.deep_features import DeepFeatures
from tcan_core.models.caches.pose_cache import PoseCache
from tcan_core.models.networks.attention import Kernel, PromptCache, connect_prompt
from tcan_core.models.networks.guided_unet import (
    CheckCanceled,
    EncoderOutput,
    count_last_skips,
    repeat_rows,
    run_decoder,
    run_encoder,
)
from tcan_core.models.networks.image_encoder import ImageEncoder
from tcan_core.models.networks.motion import TemporalControlNet
from tcan_core.models.networks.reference_attention import ReferenceBank, connect_reference
from tcan_core.models.networks.temperature import (
    Temperature,
    connect_temperature,
    connect_temporal,
)
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.preset_sections import ReferenceUse

# The ControlNet's residuals: of the skips, and of the mid block unless only some are computed.
Residuals = tuple[list[Tensor], Tensor | None]
Control = Callable[[int | None], Residuals]


@dataclass
class Tcan:
    """TCAN's networks, connected.

    The denoising UNet and the ControlNet each come with motion modules (stage 2, inference) or
    without (stage 1); without them every frame is predicted alone.

    Attributes:
        prompt: (1, tokens, dim), the embedding of the empty prompt, or with an image encoder that
            of the current image.
        pose_guider: takes the ControlNet's place: its features of pose maps are added after the
            UNet's first convolution.
        image_encoder: see `read_image`; None for a prompt.
        reference: where and when the reference is read.
        serial_guidance: whether the unconditional and the conditional prediction pass the UNet's
            decoder one after the other: half of its activations, and a little more time.
    """

    codec: ImageCodec
    denoising_unet: UNet2DConditionModel | UNetMotionModel
    reference_unet: UNet2DConditionModel
    controlnet: ControlNetModel | TemporalControlNet | None
    prompt: Tensor
    pose_guider: nn.Module | None = None
    image_encoder: ImageEncoder | None = None
    reference: ReferenceUse = field(default_factory=ReferenceUse)
    serial_guidance: bool = False
    kernel: Kernel = field(default_factory=Kernel)
    bank: ReferenceBank = field(init=False)
    temperature: Temperature = field(init=False)
    prompt_cache: PromptCache = field(init=False)
    pose_cache: PoseCache | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        unet, blocks = self.denoising_unet, self.reference.blocks
        self.bank = connect_reference(self.reference_unet, unet, self.kernel, blocks)
        self.temperature = connect_temperature(unet, self.kernel)
        if self.controlnet is not None:
            connect_temporal(self.controlnet, self.kernel)
        self.prompt_cache = connect_prompt(self.denoising_networks, self.kernel)

    @property
    def has_motion(self) -> bool:
        """True if the denoising UNet has motion modules."""
        return isinstance(self.denoising_unet, UNetMotionModel)

    @property
    def has_temporal_control(self) -> bool:
        """True if the ControlNet has motion modules."""
        return isinstance(self.controlnet, TemporalControlNet)

    @property
    def shares_encoder(self) -> bool:
        """True if the guidance halves do not differ in the denoising UNet's encoder."""
        return self.image_encoder is None and self.reference.blocks == "mid_up"

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """Codec, denoising networks, and the image encoder if there is one."""
        encoder = () if self.image_encoder is None else (self.image_encoder,)
        return self.codec, *self.denoising_networks, *encoder

    @property
    def denoising_networks(self) -> tuple[nn.Module, ...]:
        """Denoising UNet, reference UNet, and ControlNet or pose guider."""
        others = (self.controlnet, self.pose_guider)
        networks = (network for network in others if network is not None)
        return self.denoising_unet, self.reference_unet, *networks

    @property
    def dtype(self) -> torch.dtype:
        """Type in which the denoising networks compute."""
        return self.prompt.dtype

    def to(self, device: str) -> Tcan:
        """Move every network and return self."""
        for network in self.networks:
            network.to(device)
        self.prompt = self.prompt.to(device)
        return self

    def enable_gradient_checkpointing(self) -> None:
        """Recompute activations in the backward pass instead of storing them."""
        for network in (self.denoising_unet, self.reference_unet, self.controlnet):
            if network is not None:
                network.enable_gradient_checkpointing()

    @contextmanager
    def one_video(self) -> Iterator[None]:
        """Context for denoising one video; what is cached for its windows is freed at the end."""
        try:
            yield
        finally:
            self.bank.clear()
            self.temperature.maps = None

    def read_image(self, image: NDArray[np.uint8]) -> None:
        """Set the embedding of an image, (height, width, 3) uint8 RGB, in place of a prompt's."""
        if self.image_encoder is not None:
            self.prompt = self.image_encoder.embed(image)[None, None].to(self.prompt)

    def read_reference(self, ref_image_latents: Tensor, timestep: Tensor) -> None:
        """Fill the bank from the clean latents of source images.

        Args:
            ref_image_latents: (sources, channels, h, w), means of the autoencoder, unit variance;
                without sources the bank stays empty.
            timestep: (sources,), that of the noisy latents to predict, or zero; see `reference`.
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
        check_canceled: CheckCanceled = lambda: None,
        control: Control | None = None,
    ) -> Tensor:
        """Predict a batch of windows, with guidance; `read_reference` must be called before.

        Shapes: b windows, c latent channels, f frames, h w latent size

        Args:
            latents: (b, c, f, h, w) noisy latents.
            timestep: (b,).
            pose_maps: (b, 3, f, height, width), 0..1.
            guidance_scale: 1 skips the unconditional prediction, which has pose and temperature
                but no reference.
            deep: deep features of these windows, to be used, or filled if empty; ignored without
                motion modules.
            check_canceled: called between the passes of networks; raises to cancel.
            control: replaces `Tcan.control` of these windows; takes its `count`.

        Returns:
            (b, c, f, h, w): noise, velocity or sample, by the preset's prediction type.
        """
        unet, rows = self.denoising_unet, latents.shape[0] * latents.shape[2]
        if not isinstance(unet, UNetMotionModel):
            return self._predict_images(latents, timestep, pose_maps, guidance_scale)
        cached = [] if deep is None else list(deep.tensors)
        guide = None if self.pose_guider is None else self.pose_guider(_as_images(pose_maps))

        def encode(copies: int, uncond_rows: int) -> EncoderOutput:
            self.bank.uncond_rows = uncond_rows
            return run_encoder(
                unet,
                repeat_rows(latents, copies),
                repeat_rows(timestep, copies),
                self._text(copies * rows, uncond_rows),
                None if guide is None else repeat_rows(guide, copies),
                deep=not cached,
            )

        shared = encode(1, 0) if self.shares_encoder else None
        check_canceled()
        residuals: Residuals | None = None
        if self.controlnet is not None:
            control = control or partial(self.control, latents, timestep, pose_maps)
            residuals = control(count_last_skips(unet) if cached else None)
        features: list[Tensor] = []
        predictions: list[Tensor] = []
        for copies, uncond_rows in self._passes(rows, guidance_scale):
            encoded = encode(copies, uncond_rows) if shared is None else shared.repeat(copies)
            if residuals is not None:
                encoded = encoded.add(*_repeated(residuals, copies))
            self.bank.uncond_rows = uncond_rows
            own, cached = cached[:copies], cached[copies:]
            hidden, prediction = run_decoder(
                unet, encoded, torch.cat(own) if own else None, check_canceled
            )
            features += hidden.chunk(copies)
            predictions += prediction.chunk(copies)
        if deep is not None and not deep.tensors:
            deep.tensors = features
        if guidance_scale == 1:
            return predictions[0]
        unconditional, conditional = predictions
        return unconditional + guidance_scale * (conditional - unconditional)

    def _passes(self, rows: int, guidance_scale: float) -> list[tuple[int, int]]:
        """Return the passes of a prediction: copies of the rows, and unconditional rows in them."""
        if guidance_scale == 1:
            return [(1, 0)]
        return [(1, rows), (1, 0)] if self.serial_guidance else [(2, rows)]

    def _predict_images(
        self, latents: Tensor, timestep: Tensor, pose_maps: Tensor, guidance_scale: float
    ) -> Tensor:
        """Predict without motion modules, as after training stage 1; see `predict`."""
        residuals, mid_residual = self.control(latents, timestep, pose_maps)
        assert mid_residual is not None
        if guidance_scale == 1:
            self.bank.uncond_rows = 0
            return self.run_unet(latents, timestep, residuals, mid_residual)
        self.bank.uncond_rows = latents.shape[0] * latents.shape[2]
        predictions = self.run_unet(
            torch.cat([latents, latents]),
            torch.cat([timestep, timestep]),
            [torch.cat([residual, residual]) for residual in residuals],
            torch.cat([mid_residual, mid_residual]),
        )
        unconditional, conditional = predictions.chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    def control(
        self, latents: Tensor, timestep: Tensor, pose_maps: Tensor, count: int | None = None
    ) -> Residuals:
        """Return the ControlNet's residuals; inputs as for `predict`.

        Args:
            count: only the first so many, which are those of the last up block; None is all.

        Returns:
            Residuals of the skips and of the mid block, (b * f, channels, h', w') each; with
            `count` the latter is None.
        """
        frames = latents.shape[2]
        assert self.controlnet is not None
        maps, text = _as_images(pose_maps), self._text(latents.shape[0] * frames)
        if isinstance(self.controlnet, TemporalControlNet):
            residuals: Residuals = self.controlnet(latents, timestep, text, maps, count)
            return residuals
        down, mid = self.controlnet(
            _as_images(latents), timestep.repeat_interleave(frames), text, maps, return_dict=False
        )
        return list(down[:count]), mid if count is None else None

    def run_unet(
        self,
        latents: Tensor,
        timestep: Tensor,
        residuals: list[Tensor],
        mid_residual: Tensor | None,
    ) -> Tensor:
        """Run the whole denoising UNet, in training and without motion modules.

        Args:
            latents: (b, c, f, h, w), noisy.
            timestep: (b,).
            residuals, mid_residual: the ControlNet's, (b * f, channels, h', w') each.

        Returns:
            (b, c, f, h, w).
        """
        frames = latents.shape[2]
        common = {
            "encoder_hidden_states": self._text(latents.shape[0] * frames),
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

    def _text(self, rows: int, uncond_rows: int = 0) -> Tensor:
        """Return what cross-attention sees, (rows, tokens, dim); the unconditional rows first."""
        text = self.prompt.expand(rows, -1, -1)
        if self.image_encoder is None or not uncond_rows:
            return text
        return torch.cat([torch.zeros_like(text[:uncond_rows]), text[uncond_rows:]])


def _repeated(residuals: Residuals, copies: int) -> Residuals:
    down, mid = residuals
    if copies == 1:
        return residuals
    repeated_mid = None if mid is None else repeat_rows(mid, copies)
    return [repeat_rows(residual, copies) for residual in down], repeated_mid


def _as_images(video: Tensor) -> Tensor:
    """Reshape (b, c, f, h, w) to (b * f, c, h, w)."""
    return video.transpose(1, 2).flatten(0, 1)
