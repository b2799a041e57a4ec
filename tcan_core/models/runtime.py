"""Runtime options of a model: memory and speed, with little or no effect on the result.

They are applied once, after the weights are loaded and before the first prediction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from diffusers.hooks.layerwise_casting import apply_layerwise_casting
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import nn

from tcan_core.errors import ConfigError
from tcan_core.models.caches.pose_cache import in_pose_cache, install_pose_cache
from tcan_core.models.networks.attention import KernelName, SelfAttention, find_kernel
from tcan_core.models.networks.reference_attention import ReferenceReader, ReferenceWriter
from tcan_core.models.networks.tcan import Tcan

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Layers kept at full precision under fp8: they have few weights but affect everything.
NOT_IN_FP8 = ("norm", "pos_embed", "time_embedding", "conv_in", "conv_out", "cond_embedding")
TILE_PIXELS = 512


@dataclass(frozen=True)
class RuntimeOptions:
    """Options of a loaded model.

    Attributes:
        dtype: dtype of the networks' arithmetic. Latents between steps are always float32, and so
            is the codec under float16, because SD's decoder overflows in it.
        fp8_weights: store weights in 8 bits (e4m3) and cast them to `dtype` layer by layer; half
            the memory of 16 bits at some loss of quality.
        serial_guidance: see `Tcan`; exact.
        offload: keep the codec and the denoising networks on the device only during their stage;
            exact. No effect on a CPU.
        tile_codec: decode images above 512 pixels in overlapping, blended tiles; changes pixels
            slightly, because each tile has its own norm statistics.
        channels_last: use this memory layout for convolutions; exact up to rounding.
        attention: attention kernel, "sdpa" or "xformers" (CUDA); exact up to rounding.
        compile: compile the denoising blocks with torch.compile for windows of one shape; exact up
            to rounding. The first step takes minutes.
    """

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    fp8_weights: bool = False
    serial_guidance: bool = False
    offload: bool = False
    tile_codec: bool = False
    channels_last: bool = False
    attention: KernelName = "sdpa"
    compile: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype is {self.dtype!r}; it must be one of {', '.join(DTYPES)}")

    @property
    def torch_dtype(self) -> torch.dtype:
        """Torch dtype of the denoising networks."""
        return DTYPES[self.dtype]

    @property
    def codec_dtype(self) -> torch.dtype:
        """Torch dtype of the codec."""
        return torch.float32 if self.dtype == "float16" else self.torch_dtype


def set_up(tcan: Tcan, options: RuntimeOptions) -> Tcan:
    """Apply the options to a model with loaded weights, and return it.

    Raises:
        ConfigError: xformers is selected but not installed.
    """
    tcan.kernel.compute = find_kernel(options.attention)
    if options.attention != "sdpa":
        _use_kernel_everywhere(tcan)
    tcan.serial_guidance = options.serial_guidance
    dtype = options.torch_dtype
    for network in tcan.denoising_networks:
        nn.Module.to(network, dtype)  # diffusers' own `to` warns about parts to keep in float32
        if options.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if options.fp8_weights:
            apply_layerwise_casting(network, torch.float8_e4m3fn, dtype, NOT_IN_FP8)
    nn.Module.to(tcan.codec.vae, options.codec_dtype)
    if tcan.image_encoder is not None:
        tcan.image_encoder.to(dtype)
    if options.tile_codec:
        _tile(tcan)
    tcan.prompt = tcan.prompt.to(dtype)
    if tcan.image_encoder is None:
        tcan.prompt_cache.enable()
    _cache_poses(tcan)
    if options.compile:
        _compile(tcan)
    return tcan


def _cache_poses(tcan: Tcan) -> None:
    """Cache the features of drawn poses, in the ControlNet or in the pose guider."""
    if tcan.controlnet is not None:
        tcan.pose_cache = install_pose_cache(tcan.controlnet)
    elif tcan.pose_guider is not None:
        tcan.pose_guider = tcan.pose_cache = in_pose_cache(tcan.pose_guider)


def _use_kernel_everywhere(tcan: Tcan) -> None:
    """Use the kernel in diffusers' own self-attentions as well."""
    plain: Any = SelfAttention(tcan.kernel)
    for network in tcan.denoising_networks:
        for name, module in network.named_modules():
            is_plain = name.endswith("attn1") and "motion_modules" not in name
            if not (is_plain and isinstance(module, Attention)):
                continue
            if not isinstance(module.processor, ReferenceReader | ReferenceWriter):
                module.set_processor(plain)


def _tile(tcan: Tcan) -> None:
    vae: Any = tcan.codec.vae
    vae.enable_tiling()
    # In units of the autoencoder's input, which are patches if the codec folds pixels.
    vae.tile_sample_min_size = TILE_PIXELS // tcan.codec.patch_size
    vae.tile_latent_min_size = TILE_PIXELS // tcan.codec.factor


def _compile(tcan: Tcan) -> None:
    """Compile layer by layer; each layer is one graph without control flow."""
    layers: list[nn.Module] = []
    controlnet = () if tcan.controlnet is None else (tcan.controlnet,)
    for network in (tcan.denoising_unet, *controlnet):
        blocks: list[nn.Module] = [*network.down_blocks.children()]
        blocks += [network.mid_block]
        if isinstance(network, UNetMotionModel):
            blocks += network.up_blocks.children()
        for block in blocks:
            for name, layer in block.named_children():
                if name in ("resnets", "motion_modules", "attentions"):
                    layers += layer.children()
    # torch counts graphs per function, which all layers of a class share, and silently skips
    # compilation beyond the limit of 8. Each layer has a graph for the conditional prediction and
    # one for both predictions of guidance.
    torch._dynamo.config.recompile_limit = max(
        torch._dynamo.config.recompile_limit, 2 * len(layers)
    )
    for layer in layers:
        layer.compile(dynamic=False)
