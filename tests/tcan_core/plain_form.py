"""A plain form of TCAN's prediction without shared computation, to test the accelerated one.

The reference UNet runs at batch 2, with zeros for the unconditional half. Its features are repeated
for every frame, concatenated with the frame's tokens and projected with them; the unconditional
half attends without them, as in the official code. Both halves of guidance run the whole ControlNet
and denoising UNet, as in diffusers' pipelines; every row has its own prompt, and windows run one by
one. Only the networks' weights and the project's temporal attention are shared.
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
    """The plain form around the weights of a `Tcan`, which is not changed."""

    def __init__(self, tcan: Tcan) -> None:
        self.prompt, self.dtype, self.pose_cache = tcan.prompt, tcan.dtype, None
        unet = tcan.denoising_unet
        assert isinstance(unet, UNetMotionModel)
        assert isinstance(tcan.controlnet, TemporalControlNet)
        self.unet = _same_weights(unet)
        self.controlnet = _same_weights(tcan.controlnet)
        self.reference_unet = _same_weights(tcan.reference_unet)
        self.temperature = connect_temperature(self.unet)
        self.features: dict[str, Tensor] = {}
        plain: Any = AttnProcessor2_0()  # type: ignore[no-untyped-call]
        for network in (self.unet, self.controlnet, self.reference_unet):
            for name, module in network.named_modules():
                has_temperature = network is self.unet and "motion_modules" in name
                if isinstance(module, Attention) and not has_temperature:
                    module.set_processor(plain)
        for name, module in self.reference_unet.named_modules():
            if _reads_reference(name):
                module.set_processor(_FeatureWriter(self.features, name))
        for name, module in self.unet.named_modules():
            if _reads_reference(name):
                module.set_processor(_FeatureReader(self.features, name))

    @torch.no_grad()
    def read_reference(self, ref_image_latents: Tensor, timestep: Tensor) -> None:
        """Run the reference UNet on latents (1, c, h, w) and on zeros."""
        inputs = torch.cat([torch.zeros_like(ref_image_latents), ref_image_latents])
        self.reference_unet(inputs, timestep.expand(2), self.prompt.repeat(2, 1, 1))

    @torch.no_grad()
    def predict(
        self,
        latents: Tensor,
        timestep: Tensor,
        pose_maps: Tensor,
        guidance_scale: float,
        deep: None = None,
        check_canceled: CheckCanceled = lambda: None,
        control: None = None,
    ) -> Tensor:
        """Predict window by window; like `Tcan.predict`, without a deep feature cache."""
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


class _FeatureWriter(AttnProcessor2_0):
    def __init__(self, features: dict[str, Tensor], name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.features, self.name = features, name

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        self.features[self.name] = hidden_states
        return super().__call__(attn, hidden_states)


class _FeatureReader:
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


def _reads_reference(name: str) -> bool:
    """Return whether a module attends to the reference: self-attention of mid and up blocks."""
    is_above = name.startswith(("mid_block", "up_blocks"))
    return is_above and name.endswith("attn1") and "motion_modules" not in name


def _same_weights(network: nn.Module) -> Any:
    """Copy the modules but share their parameters and buffers."""
    tensors = [*network.parameters(), *network.buffers()]
    return deepcopy(network, {id(tensor): tensor for tensor in tensors})
