"""Errors that pose detectors make, put into the poses of training samples before they are drawn.

The target frames stay as they are, so a model learns to follow the motion in spite of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import MIRROR, Bools, Floats, stack_points
from tcan_core.conditioning.cleaning.clean import replace_body
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.training.samples import Samples, pose_generators

Errors = Callable[[Sequence[Pose]], list[Pose]]

_ARMS = [
    Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST,
    Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST,
]  # fmt: skip
_LEGS = [
    Joint.RIGHT_HIP, Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE,
    Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE,
]  # fmt: skip


@dataclass(frozen=True)
class PoseAugmentation:
    """Rates of the errors, as the highest of a sample: each sample draws its own rates below them.

    Attributes:
        share: share of the samples with errors, 0..1; the others keep their poses.
        lost: share of joints that are not detected, 0..1.
        thrown: share of joints that lie anywhere in the image, 0..1.
        exchanged: share of frames whose arms, or legs, are exchanged left for right, 0..1.
        shifted: share of frames with the pose of the frame before or after, 0..1.
        jitter: standard deviation of the joints' places, as a fraction of the person's height.
        longest_frames: errors but `thrown` and `jitter` last from one to so many frames.
    """

    share: float = 0.5
    lost: float = 0.4
    thrown: float = 0.1
    exchanged: float = 0.05
    shifted: float = 0.1
    jitter: float = 0.02
    longest_frames: int = 6


def errors_of(rates: PoseAugmentation | None, samples: Samples) -> list[Errors]:
    """Return a function for each sample that puts its errors into its poses; without rates, none.

    The function draws from a generator of its own, so that all else of a sample is the same with
    errors and without.
    """
    if rates is None:
        return [list] * len(samples)
    return [partial(add_errors, rates, rng) for rng in pose_generators(samples)]


def draw_targets(poses: Sequence[Pose]) -> Tensor:
    """Draw poses on one canvas as (3, frames, height, width) uint8."""
    return torch.from_numpy(draw_poses(poses)).permute(3, 0, 1, 2)


def add_errors(
    rates: PoseAugmentation, rng: np.random.Generator, poses: Sequence[Pose]
) -> list[Pose]:
    """Return the poses of one sample with errors; hands and face move with wrists and nose.

    Args:
        poses: of consecutive frames, on one canvas.
    """
    if rng.random() >= rates.share:
        return list(poses)
    limits = [rates.lost, rates.thrown, rates.exchanged, rates.shifted, rates.jitter]
    lost, thrown, exchanged, shifted, jitter = rng.random(len(limits)) * limits
    frames, longest = len(poses), rates.longest_frames

    moved = _shift(poses, _spells(rng, shifted, frames, 1, longest)[:, 0], rng)
    sides = [
        _exchange(*one)
        for one in zip(moved, _spells(rng, exchanged, frames, 2, longest), strict=True)
    ]
    points, height = stack_points(sides), _height(poses)
    points += rng.normal(0, jitter * height, points.shape)
    is_thrown = rng.random(points.shape[:2]) < thrown
    anywhere = rng.random(points.shape) * poses[0].canvas[::-1]
    points = np.where(is_thrown[..., None], anywhere, points)
    is_lost = _spells(rng, lost, frames, NUM_JOINTS, longest)
    confidence = np.where(is_lost, 0.0, [pose.confidence for pose in sides])
    gone = is_thrown | is_lost
    return [replace_body(pose, points[i], confidence[i], gone[i]) for i, pose in enumerate(sides)]


def _spells(
    rng: np.random.Generator, share: float, frames: int, columns: int, longest: int
) -> Bools:
    """Return where a share of all frames is chosen, (frames, columns), for some frames at a time.

    Each column is divided into spells of one length, 1 to `longest`, chosen as a whole.
    """
    length = rng.integers(1, longest + 1, columns)
    spell = (np.arange(frames)[:, None] + rng.integers(length)) // length
    return np.asarray(rng.random((frames, columns))[spell, np.arange(columns)] < share)


def _shift(poses: Sequence[Pose], chosen: Bools, rng: np.random.Generator) -> list[Pose]:
    """Give the chosen frames, (frames,), the pose of the frame before or after them."""
    frames = np.arange(len(poses))
    others = np.clip(frames + rng.choice([-1, 1]) * chosen, 0, len(poses) - 1)
    return [poses[index] for index in others]


def _exchange(pose: Pose, chosen: Bools) -> Pose:
    """Exchange left and right of the arms with their hands, and of the legs, if chosen, (2,)."""
    order = np.arange(NUM_JOINTS)
    for joints, is_chosen in zip((_ARMS, _LEGS), chosen, strict=True):
        if is_chosen:
            order[joints] = MIRROR[joints]
    left, right = pose.hand_left, pose.hand_right
    if chosen[0]:
        left, right = right, left
    return Pose(pose.keypoints[order], pose.confidence[order], pose.canvas, left, right, pose.face)


def _height(poses: Sequence[Pose]) -> float:
    """Return the person's height in pixels: the largest extent of the joints in any frame."""
    points: Floats = stack_points(poses)
    seen = points[~np.isnan(points).all(axis=(1, 2))]
    return float(np.max(np.nanmax(seen, axis=1) - np.nanmin(seen, axis=1))) if len(seen) else 0.0
