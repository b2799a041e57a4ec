"""Pose-driven temperature in the denoising UNet's temporal attention (PTM).

The temporal ControlNet has none: it would flatten the attention that corrects wrong poses. The
temperature of a pixel is the same in all frames, so dividing the scores by it equals dividing
the queries, which is exact with any fused attention kernel.

Source: TCAN, arXiv 2407.09012, pose-driven temperature map.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.networks.attention import Kernel, SelfAttention, merge_heads, split_heads


class Temperature:
    """The temperature maps of the current batch."""

    def __init__(self, maps: Tensor | None = None) -> None:
        self.maps = maps

    @property
    def maps(self) -> Tensor | None:
        """The maps, (windows, height, width), at least 1, with the latents' aspect ratio.

        None disables PTM.
        """
        return self._maps

    @maps.setter
    def maps(self, maps: Tensor | None) -> None:
        self._maps = maps
        self._resized: dict[tuple[int, int, int], Tensor] = {}

    def at(self, height: int, width: int, rows: int) -> Tensor | None:
        """Return one temperature for each of `rows` = batch x height x width, by nearest resize.

        If the batch has the windows several times (for guidance), their maps are repeated in that
        order. The result is cached for each size.
        """
        if self._maps is None:
            return None
        key = (height, width, rows)
        if key not in self._resized:
            resized = F.interpolate(self._maps[:, None], size=(height, width), mode="nearest")
            by_pixel = resized.flatten()
            self._resized[key] = by_pixel.repeat(rows // len(by_pixel))
        return self._resized[key]


class TemperatureProcessor:
    """Attention processor of a temporal attention: queries divided by their pixel's temperature."""

    def __init__(self, temperature: Temperature, kernel: Kernel | None = None) -> None:
        self.temperature = temperature
        self.kernel = kernel or Kernel()
        self.size = (1, 1)  # height and width of the feature map, set by the module's hook

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        *args: object,
        **kwargs: object,
    ) -> Tensor:
        """Attend over frames: (batch * height * width, frames, channels)."""
        query = attn.to_q(hidden_states)
        by_pixel = self.temperature.at(*self.size, rows=len(hidden_states))
        if by_pixel is not None:
            query = query / by_pixel.to(hidden_states.dtype)[:, None, None]
        key, value = attn.to_k(hidden_states), attn.to_v(hidden_states)
        heads = (split_heads(part, attn.heads) for part in (query, key, value))
        output: Tensor = attn.to_out[1](attn.to_out[0](merge_heads(self.kernel.attend(*heads))))
        return output


def connect_temperature(unet: nn.Module, kernel: Kernel | None = None) -> Temperature:
    """Install PTM on every temporal attention of the denoising UNet."""
    temperature, kernel = Temperature(), kernel or Kernel()
    for motion_module in _motion_modules(unet):
        _install(motion_module, temperature, kernel)
    return temperature


def connect_temporal(controlnet: nn.Module, kernel: Kernel) -> None:
    """Install the kernel on every temporal attention of the ControlNet, without PTM."""
    for motion_module in _motion_modules(controlnet):
        for attention in _attentions(motion_module):
            attention.set_processor(SelfAttention(kernel))  # type: ignore[arg-type]


def _motion_modules(network: nn.Module) -> Iterator[nn.Module]:
    for module in network.modules():
        yield from getattr(module, "motion_modules", ())


def _attentions(motion_module: nn.Module) -> Iterator[Attention]:
    for block in motion_module.transformer_blocks:  # type: ignore[union-attr]
        yield from (block.attn1, block.attn2)


def _install(motion_module: nn.Module, temperature: Temperature, kernel: Kernel) -> None:
    processor = TemperatureProcessor(temperature, kernel)
    for attention in _attentions(motion_module):
        attention.set_processor(processor)  # type: ignore[arg-type]

    def set_size(
        module: nn.Module, arguments: tuple[Tensor, ...], keywords: dict[str, object]
    ) -> None:
        hidden_states = arguments[0] if arguments else keywords["hidden_states"]
        assert isinstance(hidden_states, torch.Tensor)
        processor.size = (hidden_states.shape[-2], hidden_states.shape[-1])

    motion_module.register_forward_pre_hook(set_size, with_kwargs=True)
