"""A small heatmap network that finds the 18 joints of a puppet, and tells puppets from the rest."""

from __future__ import annotations

from enum import IntEnum

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.weights.presets import Preset

STRIDE = 2  # pixels per heatmap cell
_REFINE = 2  # cells on each side of the peak that refine it


class PoseHeatmapNet(nn.Module):
    """An encoder and decoder with skips, from pixels to one heatmap per joint."""

    def __init__(self, num_joints: int, channels: list[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * STRIDE**2, channels[0], 3, padding=1)
        self.down = nn.ModuleList(
            _Block(channels[max(i - 1, 0)], channels[i]) for i in range(len(channels))
        )
        self.up = nn.ModuleList(
            _Block(channels[i + 1] + channels[i], channels[i])
            for i in reversed(range(len(channels) - 1))
        )
        self.head = nn.Conv2d(channels[0], num_joints, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return heatmap logits (batch, joints, height / 2, width / 2).

        Args:
            images: (batch, 3, height, width), -1..1, sides divisible by 2 to the number of levels.
        """
        return self.forward_with_features(images)[0]

    def forward_with_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the heatmap logits of `forward` and (batch, features) that `SubjectHead` reads.

        The features are mean, standard deviation, maximum and minimum over space of each channel
        of the encoder's levels and of the decoder's last, and each heatmap's peak and sum.
        """
        hidden = self.stem(F.pixel_unshuffle(images, STRIDE))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            hidden = block(F.avg_pool2d(hidden, 2) if level else hidden)
            skips.append(hidden)
        levels = list(skips)
        skips.pop()
        for block in self.up:
            hidden = block(torch.cat([F.interpolate(hidden, scale_factor=2.0), skips.pop()], dim=1))
        logits: Tensor = self.head(hidden)
        heat = logits.sigmoid()
        space = (2, 3)
        features = [heat.amax(space), heat.sum(space)]
        for level in (*levels, hidden):
            features += [level.mean(space), level.std(space), level.amax(space), level.amin(space)]
        return logits, torch.cat(features, dim=1)


class Subject(IntEnum):
    """The subject of an image."""

    PUPPET = 0
    NOTHING = 1  # one color, noise, or a background without a puppet
    OTHER = 2  # a photograph, a painting, a drawing


class SubjectHead(nn.Module):
    """A linear classifier of `PoseHeatmapNet`'s features.

    Args:
        num_joints: as of the network that computes the features.
        channels: as of that network.
    """

    def __init__(self, num_joints: int, channels: list[int]) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * num_joints + 4 * (sum(channels) + channels[0]), len(Subject))

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (batch, 3), in the order of `Subject`, of features (batch, features)."""
        logits: Tensor = self.linear(features)
        return logits


class _Block(nn.Module):
    """Two residual 3x3 convolutions with group norm."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(in_channels, out_channels, 1)
        self.norm1, self.norm2 = nn.GroupNorm(8, out_channels), nn.GroupNorm(8, out_channels)
        self.conv1 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, in channels, h, w) to (batch, out channels, h, w)."""
        hidden = self.enter(hidden)
        inner = self.conv1(F.silu(self.norm1(hidden)))
        output: Tensor = hidden + self.conv2(F.silu(self.norm2(inner)))
        return output


def build_pose_detector(preset: Preset) -> PoseHeatmapNet:
    """Build the detector of a preset, untrained."""
    return PoseHeatmapNet(**preset.parts["pose_detector"].config)


def build_subject_head(preset: Preset) -> SubjectHead:
    """Build the classifier of a preset, untrained."""
    return SubjectHead(**preset.parts["subject_head"].config)


def target_heatmaps(keypoints: Tensor, height: int, width: int, sigma: float = 1.0) -> Tensor:
    """Draw a Gaussian of peak 1 at each joint.

    Args:
        keypoints: (batch, joints, 2), pixels; a joint outside the image leaves its map empty.
        height: image height in pixels.
        width: image width in pixels.
        sigma: standard deviation in cells.

    Returns:
        (batch, joints, height / 2, width / 2), 0..1.
    """
    cells = keypoints / STRIDE - 0.5
    ys = torch.arange(height // STRIDE)[:, None]
    xs = torch.arange(width // STRIDE)[None]
    squared = (xs - cells[..., 0, None, None]) ** 2 + (ys - cells[..., 1, None, None]) ** 2
    return (-squared / (2 * sigma**2)).exp()


def decode_heatmaps(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Find each map's peak, refined by the centroid of the cells around it.

    Args:
        logits: (batch, joints, h, w).

    Returns:
        Keypoints (batch, joints, 2) in pixels and confidence (batch, joints), 0..1.
    """
    heat = logits.float().sigmoid()
    batch, joints, height, width = heat.shape
    confidence, peak = heat.flatten(2).max(dim=2)
    peak_y, peak_x = (peak // width)[..., None, None], (peak % width)[..., None, None]
    ys = torch.arange(height, device=heat.device)[:, None]
    xs = torch.arange(width, device=heat.device)[None]
    near = ((ys - peak_y).abs() <= _REFINE) & ((xs - peak_x).abs() <= _REFINE)
    weight = heat * near
    total = weight.sum(dim=(2, 3))
    cells = torch.stack(
        [(weight * xs).sum(dim=(2, 3)) / total, (weight * ys).sum(dim=(2, 3)) / total], dim=-1
    )
    return (cells + 0.5) * STRIDE, confidence
