"""Pose-driven temperature in temporal attention (PTM).

The temperature is constant over frames at one pixel, so dividing the scores by it equals dividing
the queries: exact under any fused attention kernel.

Source: TCAN, arXiv 2407.09012, pose-driven temperature map.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass
class Temperature:
    """The temperature maps of the batch that runs now.

    Attributes:
        maps: (windows, height, width), at least 1, in any resolution of the latents' aspect; None
            switches PTM off.
    """

    maps: Tensor | None = None

    def at(self, height: int, width: int, rows: int) -> Tensor | None:
        """Return one temperature for each of `rows` = batch x height x width, by nearest resize.

        A batch that holds the windows several times over (both halves of guidance) repeats their
        maps in that order.
        """
        if self.maps is None:
            return None
        by_pixel = F.interpolate(self.maps[:, None], size=(height, width), mode="nearest").flatten()
        return by_pixel.repeat(rows // len(by_pixel))


class TemperatureProcessor:
    """Attention processor of a temporal attention: queries divided by their pixel's temperature."""

    def __init__(self, temperature: Temperature) -> None:
        self.temperature = temperature
        self.size = (1, 1)  # height and width of the feature map, noted by the module's hook
        self._attend = AttnProcessor2_0()  # type: ignore[no-untyped-call]

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        **kwargs: object,
    ) -> Tensor:
        """Attend over frames; (batch * height * width, frames, channels)."""
        by_pixel = self.temperature.at(*self.size, rows=len(hidden_states))
        if by_pixel is None:
            attended: Tensor = self._attend(attn, hidden_states, encoder_hidden_states)
            return attended
        query = attn.to_q(hidden_states) / by_pixel.to(hidden_states.dtype)[:, None, None]
        key, value = attn.to_k(hidden_states), attn.to_v(hidden_states)
        query, key, value = (
            part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in (query, key, value)
        )
        heads = F.scaled_dot_product_attention(query, key, value)
        output: Tensor = attn.to_out[1](attn.to_out[0](heads.transpose(1, 2).flatten(2)))
        return output


def connect_temperature(networks: list[nn.Module]) -> Temperature:
    """Install PTM on every temporal attention of the networks; they share one temperature."""
    temperature = Temperature()
    for network in networks:
        for module in network.modules():
            for motion_module in getattr(module, "motion_modules", ()):
                _install(motion_module, temperature)
    return temperature


def _install(motion_module: nn.Module, temperature: Temperature) -> None:
    processor = TemperatureProcessor(temperature)
    for block in motion_module.transformer_blocks:  # type: ignore[union-attr]
        for attention in (block.attn1, block.attn2):
            attention.set_processor(processor)

    def note_size(
        module: nn.Module, arguments: tuple[Tensor, ...], keywords: dict[str, object]
    ) -> None:
        hidden_states = arguments[0] if arguments else keywords["hidden_states"]
        assert isinstance(hidden_states, torch.Tensor)
        processor.size = (hidden_states.shape[-2], hidden_states.shape[-1])

    motion_module.register_forward_pre_hook(note_size, with_kwargs=True)
