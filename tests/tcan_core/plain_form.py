"""TCAN's prediction in its plain form, as the method is written down: nothing is shared.

The reference UNet runs at batch 2, zeros for the unconditional half. Its features are repeated for
every frame, joined to the frame's own tokens, and projected with them; the unconditional half,
which sees none, attends anew without, as in the official code. Both halves of guidance pass
ControlNet and denoising UNet in full, as in diffusers' own pipelines; every row has a prompt of its
own, and windows come one after the other. An independent formulation to hold the accelerated one
against: it shares the networks' weights, and of the project's attention the temporal one alone.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.networks.guided_unet import CheckCanceled
from tcan_core.models.networks.motion import TemporalControlNet
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.networks.temperature import connect_temperature


class PlainTcan:
    """The same weights as a `Tcan`, which stays as it is."""

    def __init__(self, tcan: Tcan) -> None:
        self.prompt, self.dtype, self.pose_cache = tcan.prompt, tcan.dtype, None
        unet = tcan.denoising_unet
        assert isinstance(unet, UNetMotionModel)
        assert isinstance(tcan.controlnet, TemporalControlNet)
        self.unet = _same_weights(unet)
        self.controlnet = _same_weights(tcan.controlnet)
        self.reference_unet = _same_weights(tcan.reference_unet)
        self.temperature = connect_temperature([self.unet, self.controlnet])
        self.features: dict[str, Tensor] = {}
        plain: Any = AttnProcessor2_0()  # type: ignore[no-untyped-call]
        for network in (self.unet, self.controlnet, self.reference_unet):
            for name, module in network.named_modules():
                if isinstance(module, Attention) and "motion_modules" not in name:
                    module.set_processor(plain)
        for name, module in self.reference_unet.named_modules():
            if _reads(name):
                module.set_processor(_Writer(self.features, name))
        for name, module in self.unet.named_modules():
            if _reads(name):
                module.set_processor(_Reader(self.features, name))

    @torch.no_grad()
    def read_reference(self, ref_image_latents: Tensor, timestep: Tensor) -> None:
        """Run the reference UNet on (1, c, h, w) and on zeros."""
        both = torch.cat([torch.zeros_like(ref_image_latents), ref_image_latents])
        self.reference_unet(both, timestep.expand(2), self.prompt.repeat(2, 1, 1))

    @torch.no_grad()
    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        pose_maps: Tensor,
        guidance_scale: float,
        deep: None = None,
        check_canceled: CheckCanceled = lambda: None,
    ) -> Tensor:
        """Predict for one window at a time; as `Tcan.predict`, with no deep features kept."""
        maps, predictions = self.temperature.maps, []
        for index in range(len(latents)):
            one = slice(index, index + 1)
            self.temperature.maps = None if maps is None else maps[one]
            window = latents[one], timestep[one], pose_maps[one]
            predictions.append(self._window(*window, guidance_scale))
        self.temperature.maps = maps
        return torch.cat(predictions)

    def _window(
        self, latents: Tensor, timestep: Tensor, pose_maps: Tensor, guidance_scale: float
    ) -> Tensor:
        frames = latents.shape[2]
        halves, steps = latents.repeat(2, 1, 1, 1, 1), timestep.repeat(2)
        text = self.prompt.repeat(2 * frames, 1, 1)
        maps = pose_maps.transpose(1, 2).flatten(0, 1).repeat(2, 1, 1, 1)
        down, mid = self.controlnet(halves, steps, text, maps)
        both: Tensor = self.unet(
            halves,
            steps,
            encoder_hidden_states=text,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
            return_dict=False,
        )[0]
        return both[:1] + guidance_scale * (both[1:] - both[:1])


class _Writer(AttnProcessor2_0):
    def __init__(self, features: dict[str, Tensor], name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.features, self.name = features, name

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.features[self.name] = hidden_states
        return super().__call__(attn, hidden_states)


class _Reader:
    def __init__(self, features: dict[str, Tensor], name: str) -> None:
        self.features, self.name = features, name

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rows = len(hidden_states) // 2
        reference = self.features[self.name].repeat_interleave(rows, dim=0)
        both = self._attend(attn, hidden_states, torch.cat([hidden_states, reference], dim=1))
        plain = self._attend(attn, hidden_states[:rows], hidden_states[:rows])
        output: Tensor = attn.to_out[0](torch.cat([plain, both[rows:]]))
        return output

    def _attend(self, attn: Attention, queries: Tensor, tokens: Tensor) -> Tensor:
        parts = (attn.to_q(queries), attn.to_k(tokens), attn.to_v(tokens))
        heads = (part.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for part in parts)
        return F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


def _reads(name: str) -> bool:
    """Return whether a module is a self-attention of a mid or up block."""
    is_above = name.startswith(("mid_block", "up_blocks"))
    return is_above and name.endswith("attn1") and "motion_modules" not in name


def _same_weights(network: nn.Module) -> Any:
    """A copy of the modules around the same parameters and buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return deepcopy(network, {id(tensor): tensor for tensor in tensors})
