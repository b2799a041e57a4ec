"""The denoising UNet in two parts: what both halves of guidance share, and what differs.

The halves differ by the reference alone, which enters at the mid block. Everything below it is
computed once: first convolution, down blocks and their motion modules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor

from tcan_core.models.norms import note_frames


@dataclass(frozen=True)
class LowerHalf:
    """What the UNet's down blocks leave to its mid and up blocks.

    Shapes: b windows, f frames

    Attributes:
        hidden_states: (b * f, channels, h', w').
        skips: outputs of the first convolution and of each layer, (b * f, channels, h', w').
        time: (b * f, dim), the timestep's embedding.
        text: (b * f, tokens, dim).
        num_frames: f.
    """

    hidden_states: Tensor
    skips: tuple[Tensor, ...]
    time: Tensor
    text: Tensor
    num_frames: int

    def add(self, residuals: list[Tensor]) -> LowerHalf:
        """Return it with the ControlNet's residuals on the skips."""
        skips = zip(self.skips, residuals, strict=True)
        return replace(self, skips=tuple(skip + residual for skip, residual in skips))

    def twice(self) -> LowerHalf:
        """Return it for both halves of guidance, one behind the other."""
        doubled = [torch.cat([part, part]) for part in (self.hidden_states, self.time, self.text)]
        skips = tuple(torch.cat([skip, skip]) for skip in self.skips)
        return LowerHalf(doubled[0], skips, doubled[1], doubled[2], self.num_frames)


def run_lower(unet: UNetMotionModel, latents: Tensor, timestep: Tensor, text: Tensor) -> LowerHalf:
    """Run first convolution and down blocks.

    Args:
        latents: (b, c, f, h, w), noisy.
        timestep: (b,).
        text: (b * f, tokens, dim).
    """
    num_frames = latents.shape[2]
    note_frames(unet, num_frames)
    time = unet.time_embedding(unet.time_proj(timestep).to(latents.dtype))
    time = time.repeat_interleave(num_frames, dim=0)
    hidden = unet.conv_in(latents.transpose(1, 2).flatten(0, 1))
    skips: tuple[Tensor, ...] = (hidden,)
    for block in unet.down_blocks:
        hidden, outputs = block(
            hidden_states=hidden, temb=time, num_frames=num_frames, **_text(block, text)
        )
        skips += outputs
    return LowerHalf(hidden, skips, time, text, num_frames)


def run_upper(unet: Any, lower: LowerHalf, mid_residual: Tensor) -> Tensor:
    """Run mid block, up blocks and last convolution; returns (b, c, f, h, w).

    Args:
        unet: a `UNetMotionModel`, whose blocks have no types.
        mid_residual: the ControlNet's, (b * f, channels, h', w').
    """
    time, num_frames, skips = lower.time, lower.num_frames, list(lower.skips)
    in_motion = {"num_frames": num_frames} if hasattr(unet.mid_block, "motion_modules") else {}
    hidden = unet.mid_block(
        lower.hidden_states, time, encoder_hidden_states=lower.text, **in_motion
    )
    hidden = hidden + mid_residual
    for block in unet.up_blocks:
        own = [skips.pop() for _ in block.resnets][::-1]
        hidden = block(
            hidden_states=hidden,
            temb=time,
            res_hidden_states_tuple=tuple(own),
            # Sides that no power of two divides come back as the next skip has them.
            upsample_size=skips[-1].shape[2:] if skips else None,
            num_frames=num_frames,
            **_text(block, lower.text),
        )
    if unet.conv_norm_out:
        hidden = unet.conv_act(unet.conv_norm_out(hidden))
    images: Tensor = unet.conv_out(hidden)
    return torch.unflatten(images, 0, (-1, num_frames)).transpose(1, 2)


def _text(block: Any, text: Tensor) -> dict[str, Tensor]:
    has_cross_attention = getattr(block, "has_cross_attention", False)
    return {"encoder_hidden_states": text} if has_cross_attention else {}
