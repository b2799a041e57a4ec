"""The denoising UNet in parts: what both halves of guidance share, and what differs.

The halves differ by the reference alone, which enters at the mid block. Everything below it is
computed once: first convolution, down blocks and their motion modules. Above it there is a deep
part, which may be kept for some steps (`deep_features`), and the last up block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor

from tcan_core.models.networks.norms import note_frames
from tcan_core.models.networks.reference_attention import ReferenceBank

# Called between the passes of networks, so that whoever waits for a window may stop in it: what it
# raises goes to the caller, and nothing of the window is kept.
Between = Callable[[], None]


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
        mid_residual: the ControlNet's for the mid block, like its output; None where it has none
            or the mid block does not run.
    """

    hidden_states: Tensor
    skips: tuple[Tensor, ...]
    time: Tensor
    text: Tensor
    num_frames: int
    mid_residual: Tensor | None = None

    def add(self, residuals: list[Tensor], mid_residual: Tensor | None = None) -> LowerHalf:
        """Return it with the ControlNet's residuals, one for each of the skips."""
        skips = zip(self.skips, residuals, strict=True)
        return replace(
            self,
            skips=tuple(skip + residual for skip, residual in skips),
            mid_residual=mid_residual,
        )

    def twice(self) -> LowerHalf:
        """Return it for both halves of guidance, one behind the other."""
        mid = self.mid_residual
        return LowerHalf(
            _twice(self.hidden_states),
            tuple(map(_twice, self.skips)),
            _twice(self.time),
            _twice(self.text),
            self.num_frames,
            None if mid is None else _twice(mid),
        )


class UpperHalf:
    """Mid and up blocks of the denoising UNet, for one half of guidance or for both.

    Args:
        bank: of the reference.
        unet: whose lower half was run.
        known: features of the deep part, per half; empty where it has to run.
        between: called before each of its parts.

    Attributes:
        left: what went into the last up block, per half; see `deep_features`.
    """

    def __init__(
        self,
        bank: ReferenceBank,
        unet: UNetMotionModel,
        lower: LowerHalf,
        known: list[Tensor],
        between: Between,
    ) -> None:
        self._bank, self._unet, self._lower, self._known = bank, unet, lower, known
        self._between = between
        self.left: list[Tensor] = []

    def one(self, half: int, plain_rows: int) -> Tensor:
        """Return (b, c, f, h, w) for one half; `plain_rows`, the first, see no reference."""
        known = self._known[half] if self._known else None
        hidden, result = self._run(self._lower, known, plain_rows)
        self.left.append(hidden)
        return result

    def both(self, plain_rows: int) -> Sequence[Tensor]:
        """Return (b, c, f, h, w) for each half, the unconditional one first."""
        known = torch.cat(self._known) if self._known else None
        hidden, result = self._run(self._lower.twice(), known, plain_rows)
        self.left = list(hidden.chunk(2))
        return result.chunk(2)

    def _run(
        self, lower: LowerHalf, known: Tensor | None, plain_rows: int
    ) -> tuple[Tensor, Tensor]:
        self._bank.plain_rows = plain_rows
        self._between()
        hidden = run_deep(self._unet, lower, self._between) if known is None else known
        self._between()
        return hidden, run_last(self._unet, lower, hidden)


def run_lower(
    unet: UNetMotionModel,
    latents: Tensor,
    timestep: Tensor,
    text: Tensor,
    *,
    deep: bool = True,
) -> LowerHalf:
    """Run first convolution and down blocks.

    Args:
        latents: (b, c, f, h, w), noisy.
        timestep: (b,).
        text: (b * f, tokens, dim).
        deep: whether to run more than the last up block needs: the first down block.
    """
    num_frames = latents.shape[2]
    note_frames(unet, num_frames)
    time = unet.time_embedding(unet.time_proj(timestep).to(latents.dtype))
    time = time.repeat_interleave(num_frames, dim=0)
    hidden = unet.conv_in(latents.transpose(1, 2).flatten(0, 1))
    skips: tuple[Tensor, ...] = (hidden,)
    for block in unet.down_blocks if deep else unet.down_blocks[:1]:
        hidden, outputs = block(
            hidden_states=hidden, temb=time, num_frames=num_frames, **_text(block, text)
        )
        skips += outputs
    if not deep:
        skips = skips[: last_skips(unet)]
    return LowerHalf(hidden, skips, time, text, num_frames)


def last_skips(unet: Any) -> int:
    """How many of the skips, counted from the first, go into the last up block."""
    return len(unet.up_blocks[-1].resnets)


def run_deep(unet: Any, lower: LowerHalf, between: Between) -> Tensor:
    """Run mid block and all up blocks but the last; returns (b * f, channels, h', w').

    Args:
        unet: a `UNetMotionModel`, whose blocks have no types.
    """
    time, num_frames, skips = lower.time, lower.num_frames, list(lower.skips)
    in_motion = {"num_frames": num_frames} if hasattr(unet.mid_block, "motion_modules") else {}
    hidden = unet.mid_block(
        lower.hidden_states, time, encoder_hidden_states=lower.text, **in_motion
    )
    if lower.mid_residual is not None:
        hidden = hidden + lower.mid_residual
    for block in unet.up_blocks[:-1]:
        between()
        own = [skips.pop() for _ in block.resnets][::-1]
        hidden = _up(block, hidden, own, skips, lower)
    result: Tensor = hidden
    return result


def run_last(unet: Any, lower: LowerHalf, hidden: Tensor) -> Tensor:
    """Run the last up block and the last convolution; returns (b, c, f, h, w).

    Args:
        hidden: what `run_deep` returned, now or at an earlier step.
    """
    hidden = _up(unet.up_blocks[-1], hidden, lower.skips[: last_skips(unet)], (), lower)
    if unet.conv_norm_out:
        hidden = unet.conv_act(unet.conv_norm_out(hidden))
    images: Tensor = unet.conv_out(hidden)
    return torch.unflatten(images, 0, (-1, lower.num_frames)).transpose(1, 2)


def _up(
    block: Any, hidden: Tensor, own: Sequence[Tensor], below: Sequence[Tensor], lower: LowerHalf
) -> Tensor:
    """Run an up block on its own skips; those `below` are for the blocks after it."""
    result: Tensor = block(
        hidden_states=hidden,
        temb=lower.time,
        res_hidden_states_tuple=tuple(own),
        # Sides that no power of two divides come back as the next skip has them.
        upsample_size=below[-1].shape[2:] if below else None,
        num_frames=lower.num_frames,
        **_text(block, lower.text),
    )
    return result


def _twice(part: Tensor) -> Tensor:
    return torch.cat([part, part])


def _text(block: Any, text: Tensor) -> dict[str, Tensor]:
    has_cross_attention = getattr(block, "has_cross_attention", False)
    return {"encoder_hidden_states": text} if has_cross_attention else {}
