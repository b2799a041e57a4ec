"""The assembled model, which predicts a batch of windows with guidance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

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


class PoseFeatures(NamedTuple):
    """Features of the poses for the UNet: the ControlNet's residuals, or those of the pose guider.

    Attributes:
        residuals, mid_residual: of the skips and of the mid block, (b * f, channels, h', w') each;
            empty and None with a pose guider.
        guide: added after the first convolution, (b * f, channels, h, w); None with a ControlNet.
    """

    residuals: list[Tensor]
    mid_residual: Tensor | None
    guide: Tensor | None = None

    def repeat(self, copies: int) -> PoseFeatures:
        """Return several copies along the batch."""
        residuals, mid = _repeated((self.residuals, self.mid_residual), copies)
        guide = None if self.guide is None else repeat_rows(self.guide, copies)
        return PoseFeatures(residuals, mid, guide)


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

    def read_images(self, ref_image_latents: Tensor) -> None:
        """Set the embeddings of several images in training; `read_reference` comes afterwards.

        Args:
            ref_image_latents: (sources, channels, h, w); they are decoded for the image encoder,
                since training has no other form of all its images.
        """
        if self.image_encoder is None:
            return
        with torch.no_grad():
            images = self.codec.decode(ref_image_latents).float().clamp(-1, 1)
        pixels = ((images + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        embeddings = [self.image_encoder.embed(image) for image in pixels]
        self.prompt = torch.stack(embeddings)[:, None].to(self.prompt)

    def reference_timestep(self, timestep: Tensor) -> Tensor:
        """Return the timesteps at which the reference is read for noisy latents of these."""
        return torch.zeros_like(timestep) if self.reference.timestep == "zero" else timestep

    def read_reference(self, ref_image_latents: Tensor, timestep: Tensor) -> None:
        """Fill the bank from the clean latents of source images.

        Args:
            ref_image_latents: (sources, channels, h, w), means of the autoencoder, unit variance;
                without sources the bank stays empty. With embeddings of more images, these are
                the last of them.
            timestep: (sources,), that of the noisy latents to predict, or zero; see `reference`.
        """
        count = len(ref_image_latents)
        with self.bank.reading():
            if count:
                prompt = self.prompt[-count:].expand(count, -1, -1)
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
        copies = 1 if guidance_scale == 1 else 2
        self.bank.uncond_rows = (copies - 1) * latents.shape[0] * latents.shape[2]
        prediction = self.run_unet(
            repeat_rows(latents, copies),
            repeat_rows(timestep, copies),
            self.pose_features(latents, timestep, pose_maps).repeat(copies),
        )
        if copies == 1:
            return prediction
        unconditional, conditional = prediction.chunk(2)
        return unconditional + guidance_scale * (conditional - unconditional)

    def pose_features(self, latents: Tensor, timestep: Tensor, pose_maps: Tensor) -> PoseFeatures:
        """Return what `run_unet` adds to the UNet for these poses; inputs as for `predict`."""
        if self.pose_guider is not None:
            return PoseFeatures([], None, self.pose_guider(_as_images(pose_maps)))
        return PoseFeatures(*self.control(latents, timestep, pose_maps))

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
        pose: PoseFeatures,
    ) -> Tensor:
        """Run the whole denoising UNet, in training and without motion modules.

        Args:
            latents: (b, c, f, h, w), noisy.
            timestep: (b,).
            pose: features of the pose maps.

        Returns:
            (b, c, f, h, w).
        """
        frames = latents.shape[2]
        common = {
            "encoder_hidden_states": self._text(latents.shape[0] * frames, self.bank.uncond_rows),
            "down_block_additional_residuals": pose.residuals or None,
            "mid_block_additional_residual": pose.mid_residual,
            "return_dict": False,
        }
        with _added_after(self.denoising_unet.conv_in, pose.guide):
            if isinstance(self.denoising_unet, UNetMotionModel):
                video: Tensor = self.denoising_unet(latents, timestep, **common)[0]
                return video
            images: Tensor = self.denoising_unet(
                _as_images(latents), timestep.repeat_interleave(frames), **common
            )[0]
        return torch.unflatten(images, 0, (-1, frames)).transpose(1, 2)

    def _text(self, rows: int, uncond_rows: int = 0) -> Tensor:
        """Return what cross-attention sees, (rows, tokens, dim); the unconditional rows first."""
        text = self.prompt
        if len(text) != rows:
            text = (
                text.expand(rows, -1, -1)
                if len(text) == 1
                else repeat_rows(text, rows // len(text))
            )
        if self.image_encoder is None or not uncond_rows:
            return text
        return torch.cat([torch.zeros_like(text[:uncond_rows]), text[uncond_rows:]])


@contextmanager
def _added_after(layer: nn.Module, features: Tensor | None) -> Iterator[None]:
    """Add features to a layer's output inside the context; None adds nothing."""
    if features is None:
        yield
        return
    handle = layer.register_forward_hook(lambda _, inputs, output: output + features)
    try:
        yield
    finally:
        handle.remove()


def _repeated(residuals: Residuals, copies: int) -> Residuals:
    down, mid = residuals
    if copies == 1:
        return residuals
    repeated_mid = None if mid is None else repeat_rows(mid, copies)
    return [repeat_rows(residual, copies) for residual in down], repeated_mid


def _as_images(video: Tensor) -> Tensor:
    """Reshape (b, c, f, h, w) to (b * f, c, h, w)."""
    return video.transpose(1, 2).flatten(0, 1)
