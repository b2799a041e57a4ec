"""Detection of joints that move in an impossible way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.size import typical_height
from tcan_core.conditioning.cleaning.spikes import find_spikes
from tcan_core.conditioning.cleaning.stretched import find_stretched

Indices = NDArray[np.intp]

# A joint that is elsewhere for less than twice this time is an error; one that stays longer really
# moved (a cut, or a moving camera).
PATIENCE_S = 0.16
MIN_PATIENCE = 4  # frames
_REACH_S = 0.96  # after a longer gap any position is accepted


@dataclass(frozen=True)
class _Limits:
    """The limits of a joint's steps.

    Attributes:
        step: (joints,) largest distance in pixels from one frame to the next.
        each_further_frame: (joints,) added per further frame, from the joint's usual speed.
        patience: score of a chain that a step which is too fast costs, in frames.
        reach: longest gap in frames after which the distance matters.
    """

    step: Floats
    each_further_frame: Floats
    patience: int
    reach: int


def find_jumps(points: Floats, max_speed: float, fps: float) -> Bools:
    """Find detections that are inconsistent with the others in time.

    For each joint the largest set of detections without a too fast step is kept; then single
    detections far from the line between their neighbours are rejected. The limits grow with the
    joint's usual speed, so that fast motion at a low frame rate is kept.

    Args:
        points: (frames, joints, 2) pixels, NaN where not detected.
        max_speed: body heights per second.
        fps: frames per second.

    Returns:
        (frames, joints), True where a detection must be rejected.
    """
    seen = ~np.isnan(points[..., 0])
    if len(points) < 3 or not seen.any():
        return np.zeros_like(seen)
    height = typical_height(points)
    usual = _usual_speeds(points, seen)
    limits = _Limits(
        np.maximum(max_speed / fps * height, 4 * usual),
        2 * usual,
        max(MIN_PATIENCE, round(PATIENCE_S * fps)),
        max(1, round(_REACH_S * fps)),
    )
    rejected = seen & ~_best_chains(points, seen, limits)
    rejected |= find_spikes(_without(points, rejected))
    return rejected | find_stretched(_without(points, rejected))


def _without(points: Floats, rejected: Bools) -> Floats:
    return np.where(rejected[..., None], np.nan, points)


def _best_chains(points: Floats, seen: Bools, limits: _Limits) -> Bools:
    """Return for each joint the frames of the best chain of detections, (frames, joints).

    A chain scores one point per frame, minus the patience for each step that is too fast.
    """
    frames, joints = seen.shape
    score = np.full((frames, joints), -np.inf)
    previous = np.full((frames, joints), -1)
    old_score, old_frame = np.full(joints, -np.inf), np.full(joints, -1)
    for now in range(frames):
        start = max(0, now - limits.reach)
        if start > 0:  # after a gap longer than the reach any position is accepted
            newer = score[start - 1] > old_score
            old_score = np.where(newer, score[start - 1], old_score)
            old_frame = np.where(newer, start - 1, old_frame)
        gain, origin = _best_step(points, score, limits, start, now)
        origin = np.where(old_score > gain, old_frame, origin)
        gain = np.maximum(gain, old_score)
        previous[now] = np.where(gain > 0, origin, -1)
        score[now] = np.where(seen[now], 1.0 + np.maximum(gain, 0.0), -np.inf)
    return _walk_back(score, previous, seen)


def _best_step(
    points: Floats, score: Floats, limits: _Limits, start: int, now: int
) -> tuple[Floats, Indices]:
    """Return score and last frame of the best chain to continue, (joints,) each."""
    joints = score.shape[1]
    if start == now:
        return np.full(joints, -np.inf), np.full(joints, -1)
    before = np.arange(start, now)
    steps = np.linalg.norm(points[now] - points[before], axis=-1)
    too_fast = steps > limits.step + limits.each_further_frame * (now - before - 1)[:, None]
    gain = score[before] - limits.patience * too_fast
    best = gain.argmax(axis=0)
    return gain[best, np.arange(joints)], before[best]


def _walk_back(score: Floats, previous: Indices, seen: Bools) -> Bools:
    chain = np.zeros_like(seen)
    for joint in np.flatnonzero(seen.any(axis=0)):
        frame = int(score[:, joint].argmax())
        while frame >= 0:
            chain[frame, joint] = True
            frame = int(previous[frame, joint])
    return chain


def _usual_speeds(points: Floats, seen: Bools) -> Floats:
    """Return the median speed of each joint, (joints,) pixels per frame, 0 without data.

    Steps over gaps are included: a joint that is often missing has few steps between consecutive
    frames, and a median of few values is unreliable.
    """
    speeds = np.zeros(points.shape[1])
    for joint in range(points.shape[1]):
        frames = np.flatnonzero(seen[:, joint])
        if len(frames) > 1:
            steps = np.linalg.norm(np.diff(points[frames, joint], axis=0), axis=-1)
            speeds[joint] = np.median(steps / np.diff(frames))
    return speeds
