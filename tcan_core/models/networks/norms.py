"""Over which frames of a window group norms take their statistics: `norm_grouping` of a preset.

    norm_grouping   residual blocks, output norm   input of a motion module
    per_frame       each frame alone               each frame alone
    official        jointly over the window        each frame alone
    diffusers       each frame alone               jointly over the window

`per_frame` is ours: a frame depends on its window through attention alone. `official` is what the
authors' code does, for weights that were trained with it. AnimateDiff's modules were trained with
their input norm per frame, so `diffusers` is for weights trained by diffusers' own classes.

Source: TCAN's official code (residual blocks on 5-D tensors); diffusers 0.42, `UNetMotionModel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn

from tcan_core.models.weights.presets import NormGrouping


class NormPerFrame(nn.GroupNorm):
    """Group norm that treats each frame alone."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalise (batch, channels, frames, height, width), each frame by its own statistics."""
        frames = hidden_states.shape[2]
        per_frame = hidden_states.transpose(1, 2).flatten(0, 1)
        normed = super().forward(per_frame)
        return torch.unflatten(normed, 0, (-1, frames)).transpose(1, 2)


@dataclass
class FrameCount:
    """How many frames the windows have that a network works on now.

    It is the network's own pre-hook, so that a copy of the network has a count of its own.
    """

    count: int = 1

    def __call__(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Note the frames of `sample`, (batch, channels, frames, height, width)."""
        sample = arguments[0] if arguments else keywords["sample"]
        self.count = sample.shape[2]


class NormJointly(nn.GroupNorm):
    """Group norm of frames that lie in the batch, with one statistic per window and group."""

    frames: FrameCount

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalise (batch * frames, channels, height, width), a window's frames together."""
        windows = torch.unflatten(hidden_states, 0, (-1, self.frames.count)).transpose(1, 2)
        return super().forward(windows).transpose(1, 2).flatten(0, 1)


def group_norms(network: nn.Module, grouping: NormGrouping) -> None:
    """Give a network with motion modules the grouping; weights are kept.

    Args:
        network: as diffusers built it; its `forward` takes `sample` first.
    """
    if grouping != "diffusers":
        for module in network.modules():
            if isinstance(module, AnimateDiffTransformer3D):
                module.norm = _like(NormPerFrame, module.norm)
    if grouping == "official":
        _join_residual_norms(network)


def _join_residual_norms(network: nn.Module) -> None:
    frames = FrameCount()
    blocks = [module for module in network.modules() if isinstance(module, ResnetBlock2D)]
    places = [(block, name) for block in blocks for name in ("norm1", "norm2")]
    if isinstance(getattr(network, "conv_norm_out", None), nn.GroupNorm):
        places.append((network, "conv_norm_out"))  # type: ignore[arg-type]
    for owner, name in places:
        joint = _like(NormJointly, getattr(owner, name))
        joint.frames = frames
        setattr(owner, name, joint)
    network.register_forward_pre_hook(frames, with_kwargs=True)
    network.frame_count = frames  # type: ignore[assignment]


def note_frames(network: nn.Module, num_frames: int) -> None:
    """Tell a network of its windows' frames, where its parts are run and not its `forward`."""
    frames = getattr(network, "frame_count", None)
    if isinstance(frames, FrameCount):
        frames.count = num_frames


def _like(kind: type[nn.GroupNorm], norm: Any) -> Any:
    """Make a norm of another kind with the same weights."""
    made = kind(norm.num_groups, norm.num_channels, norm.eps, norm.affine)
    made = made.to(norm.weight.device, norm.weight.dtype)
    made.load_state_dict(norm.state_dict(), assign=True)
    return made
