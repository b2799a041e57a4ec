"""Find joints that move as no body does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.size import typical_height
from tcan_core.conditioning.cleaning.spikes import find_spikes
from tcan_core.conditioning.cleaning.stretched import find_stretched

Indices = NDArray[np.intp]

# A joint that is somewhere else for fewer than twice as many frames as this was misplaced; one
# that stays longer did go there (a cut, a camera that swings round).
PATIENCE = 4
_REACH = 24  # frames; after a longer gap a joint may be anywhere


@dataclass(frozen=True)
class _Limits:
    """How far each joint may get, (joints,) pixels each: from one frame to the next, and in each
    frame more, for which its usual speed is a better guide than the fastest."""

    step: Floats
    each_further_frame: Floats


def find_jumps(points: Floats, max_speed: float = 0.25) -> Bools:
    """Find detections that no body connects with the others.

    Of each joint the largest set of detections is kept in which no step is faster than the limit;
    then single detections that leave the line between their neighbours are dropped. The limits
    grow with the joint's own usual speed, so that quick motion at a low frame rate stays.

    Args:
        points: (frames, joints, 2) pixels, NaN where not detected.
        max_speed: body heights per frame.

    Returns:
        (frames, joints), True where a detection is to be rejected.
    """
    seen = ~np.isnan(points[..., 0])
    if len(points) < 3 or not seen.any():
        return np.zeros_like(seen)
    height = typical_height(points)
    usual = _usual_speeds(points, seen)
    limits = _Limits(np.maximum(max_speed * height, 4 * usual), 2 * usual)
    rejected = seen & ~_best_chains(points, seen, limits)
    rejected |= find_spikes(_without(points, rejected))
    return rejected | find_stretched(_without(points, rejected))


def _without(points: Floats, rejected: Bools) -> Floats:
    return np.where(rejected[..., None], np.nan, points)


def _best_chains(points: Floats, seen: Bools, limits: _Limits) -> Bools:
    """Return for each joint the frames of the best chain of detections, (frames, joints).

    A chain is worth one point per frame, less `PATIENCE` for each step that is too fast.
    """
    frames, joints = seen.shape
    worth = np.full((frames, joints), -np.inf)
    came_from = np.full((frames, joints), -1)
    old_worth, old_frame = np.full(joints, -np.inf), np.full(joints, -1)
    for now in range(frames):
        start = max(0, now - _REACH)
        if start > 0:  # after a gap longer than the reach a joint may be anywhere
            newer = worth[start - 1] > old_worth
            old_worth = np.where(newer, worth[start - 1], old_worth)
            old_frame = np.where(newer, start - 1, old_frame)
        gain, origin = _best_step(points, worth, limits, start, now)
        origin = np.where(old_worth > gain, old_frame, origin)
        gain = np.maximum(gain, old_worth)
        came_from[now] = np.where(gain > 0, origin, -1)
        worth[now] = np.where(seen[now], 1.0 + np.maximum(gain, 0.0), -np.inf)
    return _walk_back(worth, came_from, seen)


def _best_step(
    points: Floats, worth: Floats, limits: _Limits, start: int, now: int
) -> tuple[Floats, Indices]:
    """Return the best chain that each joint can come from, and its last frame; (joints,) each."""
    joints = worth.shape[1]
    if start == now:
        return np.full(joints, -np.inf), np.full(joints, -1)
    before = np.arange(start, now)
    steps = np.linalg.norm(points[now] - points[before], axis=-1)
    too_fast = steps > limits.step + limits.each_further_frame * (now - before - 1)[:, None]
    gain = worth[before] - PATIENCE * too_fast
    best = gain.argmax(axis=0)
    return gain[best, np.arange(joints)], before[best]


def _walk_back(worth: Floats, came_from: Indices, seen: Bools) -> Bools:
    kept = np.zeros_like(seen)
    for joint in np.flatnonzero(seen.any(axis=0)):
        frame = int(worth[:, joint].argmax())
        while frame >= 0:
            kept[frame, joint] = True
            frame = int(came_from[frame, joint])
    return kept


def _usual_speeds(points: Floats, seen: Bools) -> Floats:
    """Return the median speed of each joint, (joints,) pixels per frame, 0 where none is told.

    Told over gaps too: of joints that are often missing few are seen in two frames running, and a
    median of a few is easily one of the wrong ones.
    """
    speeds = np.zeros(points.shape[1])
    for joint in range(points.shape[1]):
        shown = np.flatnonzero(seen[:, joint])
        if len(shown) > 1:
            steps = np.linalg.norm(np.diff(points[shown, joint], axis=0), axis=-1)
            speeds[joint] = np.median(steps / np.diff(shown))
    return speeds
