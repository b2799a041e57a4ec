"""Group norms over one frame or over a window: `norm_grouping` of a preset.

    norm_grouping   residual blocks, output norm   input of a motion module
    per_frame       each frame alone               each frame alone
    official        jointly over the window        each frame alone
    diffusers       each frame alone               jointly over the window

With `per_frame`, the default, frames depend on each other only through attention. `official` is
the authors' code, for weights trained with it. AnimateDiff's modules were trained with an input
norm per frame; `diffusers` is for weights trained with diffusers' own classes.

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
    """Group norm with one statistic per frame."""

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalise each frame by its own statistics.

        Args:
            hidden_states: (batch, channels, frames, height, width).
        """
        frames = hidden_states.shape[2]
        per_frame = hidden_states.transpose(1, 2).flatten(0, 1)
        normed = super().forward(per_frame)
        return torch.unflatten(normed, 0, (-1, frames)).transpose(1, 2)


@dataclass
class FrameCount:
    """The number of frames of a network's current windows.

    It is a pre-hook of the network, so that a copy of the network gets a count of its own.
    """

    count: int = 1

    def __call__(
        self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]
    ) -> None:
        """Set the count from `sample`, (batch, channels, frames, height, width)."""
        sample = arguments[0] if arguments else keywords["sample"]
        self.count = sample.shape[2]


class NormJointly(nn.GroupNorm):
    """Group norm with one statistic per window, for frames along the batch axis."""

    frames: FrameCount

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Normalise the frames of each window together.

        Args:
            hidden_states: (batch * frames, channels, height, width).
        """
        windows = torch.unflatten(hidden_states, 0, (-1, self.frames.count)).transpose(1, 2)
        return super().forward(windows).transpose(1, 2).flatten(0, 1)


def group_norms(network: nn.Module, grouping: NormGrouping) -> None:
    """Replace the group norms of a network with motion modules; weights stay the same.

    Args:
        network: a diffusers network; the first argument of its `forward` is `sample`.
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
    norms = [(block, name) for block in blocks for name in ("norm1", "norm2")]
    if isinstance(getattr(network, "conv_norm_out", None), nn.GroupNorm):
        norms.append((network, "conv_norm_out"))  # type: ignore[arg-type]
    for owner, name in norms:
        joint = _like(NormJointly, getattr(owner, name))
        joint.frames = frames
        setattr(owner, name, joint)
    network.register_forward_pre_hook(frames, with_kwargs=True)
    network.frame_count = frames  # type: ignore[assignment]


def set_frames(network: nn.Module, num_frames: int) -> None:
    """Set the frame count of a network whose parts are run without its `forward`."""
    frames = getattr(network, "frame_count", None)
    if isinstance(frames, FrameCount):
        frames.count = num_frames


def _like(kind: type[nn.GroupNorm], norm: Any) -> Any:
    """Return a norm of class `kind` with the same weights."""
    made = kind(norm.num_groups, norm.num_channels, norm.eps, norm.affine)
    made = made.to(norm.weight.device, norm.weight.dtype)
    made.load_state_dict(norm.state_dict(), assign=True)
    return made
