"""The denoising UNet in two parts, so that guidance computes the encoder only once.

In TCAN's arrangement the conditional and the unconditional pass differ only in the reference, which
enters at the mid block. The encoder (first convolution, down blocks and their motion modules) is
therefore run once for both, the decoder (mid block and up blocks) for each. The decoder's deep
part, all but the last up block, may be replaced by cached features of an earlier step; see
`deep_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor

from tcan_core.models.networks.norms import set_frames

# Called between the passes of networks; raises to cancel a window, of which nothing is kept then.
CheckCanceled = Callable[[], None]


@dataclass(frozen=True)
class EncoderOutput:
    """Output of the UNet's encoder, the decoder's input.

    Shapes: b windows, f frames

    Attributes:
        hidden_states: (b * f, channels, h', w').
        skips: outputs of the first convolution and of each layer, (b * f, channels, h', w').
        time: (b * f, dim), the timestep's embedding.
        text: (b * f, tokens, dim).
        num_frames: f.
        mid_residual: the ControlNet's residual for the mid block, of its output's shape; None if
            the mid block does not run.
    """

    hidden_states: Tensor
    skips: tuple[Tensor, ...]
    time: Tensor
    text: Tensor
    num_frames: int
    mid_residual: Tensor | None = None

    def add(self, residuals: list[Tensor], mid_residual: Tensor | None = None) -> EncoderOutput:
        """Return a copy with the ControlNet's residuals, one for each of the skips."""
        skips = zip(self.skips, residuals, strict=True)
        return replace(
            self,
            skips=tuple(skip + residual for skip, residual in skips),
            mid_residual=mid_residual,
        )

    def repeat(self, copies: int) -> EncoderOutput:
        """Return several copies along the batch, for predictions that share a pass."""
        if copies == 1:
            return self
        mid = self.mid_residual
        return EncoderOutput(
            repeat_rows(self.hidden_states, copies),
            tuple(repeat_rows(skip, copies) for skip in self.skips),
            repeat_rows(self.time, copies),
            repeat_rows(self.text, copies),
            self.num_frames,
            None if mid is None else repeat_rows(mid, copies),
        )


def run_encoder(
    unet: UNetMotionModel,
    latents: Tensor,
    timestep: Tensor,
    text: Tensor,
    pose_features: Tensor | None = None,
    *,
    deep: bool = True,
) -> EncoderOutput:
    """Run the first convolution and the down blocks.

    Args:
        latents: (b, c, f, h, w), noisy.
        timestep: (b,).
        text: (b * f, tokens, dim).
        pose_features: a pose guider's, (b * f, channels, h, w), added after the convolution.
        deep: False runs the first down block only, which is all that the last up block needs.
    """
    num_frames = latents.shape[2]
    set_frames(unet, num_frames)
    time = unet.time_embedding(unet.time_proj(timestep).to(latents.dtype))
    time = time.repeat_interleave(num_frames, dim=0)
    hidden = unet.conv_in(latents.transpose(1, 2).flatten(0, 1))
    if pose_features is not None:
        hidden = hidden + pose_features
    skips: tuple[Tensor, ...] = (hidden,)
    for block in unet.down_blocks if deep else unet.down_blocks[:1]:
        hidden, outputs = block(
            hidden_states=hidden, temb=time, num_frames=num_frames, **_text(block, text)
        )
        skips += outputs
    if not deep:
        skips = skips[: count_last_skips(unet)]
    return EncoderOutput(hidden, skips, time, text, num_frames)


def count_last_skips(unet: Any) -> int:
    """Return how many of the skips, from the first, go into the last up block."""
    return len(unet.up_blocks[-1].resnets)


def run_decoder(
    unet: Any, encoded: EncoderOutput, deep: Tensor | None, check_canceled: CheckCanceled
) -> tuple[Tensor, Tensor]:
    """Run the mid block, the up blocks and the last convolution.

    Args:
        unet: a `UNetMotionModel`, whose blocks have no types.
        deep: cached input of the last up block, (b * f, channels, h', w'); None computes it.
        check_canceled: called before each block.

    Returns:
        The input of the last up block, (b * f, channels, h', w'), and the prediction, (b, c, f, h,
        w).
    """
    check_canceled()
    if deep is None:
        skips = list(encoded.skips)
        mid = (
            {"num_frames": encoded.num_frames} if hasattr(unet.mid_block, "motion_modules") else {}
        )
        deep = unet.mid_block(
            encoded.hidden_states, encoded.time, encoder_hidden_states=encoded.text, **mid
        )
        if encoded.mid_residual is not None:
            deep = deep + encoded.mid_residual
        for block in unet.up_blocks[:-1]:
            check_canceled()
            own = [skips.pop() for _ in block.resnets][::-1]
            deep = block(deep, **_up_inputs(block, encoded, own, skips))
        check_canceled()
    last = unet.up_blocks[-1]
    own_skips = encoded.skips[: count_last_skips(unet)]
    hidden = last(deep, **_up_inputs(last, encoded, own_skips))
    if unet.conv_norm_out:
        hidden = unet.conv_act(unet.conv_norm_out(hidden))
    images: Tensor = unet.conv_out(hidden)
    return deep, torch.unflatten(images, 0, (-1, encoded.num_frames)).transpose(1, 2)


def _up_inputs(
    block: Any, encoded: EncoderOutput, skips: Sequence[Tensor], remaining: Sequence[Tensor] = ()
) -> dict[str, Any]:
    """Return an up block's inputs other than its hidden states.

    Args:
        skips: the block's own.
        remaining: skips of the blocks after it; its output gets the size of their last.
    """
    return {
        "temb": encoded.time,
        "res_hidden_states_tuple": tuple(skips),
        # Needed for sizes that are not divisible by a power of two.
        "upsample_size": remaining[-1].shape[2:] if remaining else None,
        "num_frames": encoded.num_frames,
        **_text(block, encoded.text),
    }


def repeat_rows(part: Tensor, copies: int) -> Tensor:
    """Return several copies along the batch."""
    return torch.cat([part] * copies)


def _text(block: Any, text: Tensor) -> dict[str, Tensor]:
    has_cross_attention = getattr(block, "has_cross_attention", False)
    return {"encoder_hidden_states": text} if has_cross_attention else {}
