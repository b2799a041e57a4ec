"""Follow people over time, and choose the main one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.cleaning.size import body_heights, typical_height
from tcan_core.conditioning.keypoints import Pose

# Distances are in body heights.
NEAR = 0.5  # the farthest that a person is from where the track expects it ...
NEAR_PER_LOST_FRAME = 0.05  # ... how this grows while the person is not seen ...
FARTHEST = 1.0  # ... and how far
NEVER = 1000.0
MAX_LOST_FRAMES = 30
SIZE_WEIGHT = 0.1  # how much a doubling of size counts; a size is told only roughly
OTHER_SIZE = 1.6  # tracks whose sizes differ by more show different people
MIN_JOINED_FRAMES = 3


@dataclass
class _Track:
    """One person: where it was seen last, where it goes, and the frames that show it."""

    points: Floats
    height: float
    last: int
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    shown: dict[int, Pose] = field(default_factory=dict)
    weight: float = 0.0

    def expected(self, frame: int) -> Floats:
        """Return where the joints would be if the person went on at its speed, (18, 2)."""
        return self.points + self.velocity * min(frame - self.last, 5)

    def see(self, frame: int, pose: Pose, points: Floats, height: float) -> None:
        """Note that the person is here in this frame."""
        moved = points - self.points
        if frame > self.last and np.isfinite(moved).any():
            speed = np.nanmedian(moved, axis=0) / (frame - self.last)
            self.velocity = 0.5 * self.velocity + 0.5 * speed
        # A joint that is not seen now is expected to have moved with the others.
        carried = self.expected(frame)
        self.points = np.where(np.isnan(points), carried, points)
        self.height, self.last = height, frame
        self.shown[frame] = pose
        self.weight += height * float(pose.confidence.sum())


def choose_person(frames: Sequence[Sequence[Pose]]) -> list[Pose | None]:
    """Choose the main person of a video and keep to it, also when people cross.

    People are followed from frame to frame by where their joints are expected. The main person
    is the one that is largest, longest and surest in sum. While it is not seen the result is
    None, except that a person of its size that comes only when it has gone counts as its return.

    Args:
        frames: the people of each frame.

    Returns:
        One person, or None, for each frame.
    """
    tracks = _follow(frames)
    if not tracks:
        return [None] * len(frames)
    chosen = _join(tracks)
    return [chosen.get(index) for index in range(len(frames))]


def _follow(frames: Sequence[Sequence[Pose]]) -> list[_Track]:
    tracks: list[_Track] = []
    for index, people in enumerate(frames):
        seen = [pose for pose in people if pose.detected.any()]
        points = [np.where(pose.detected[:, None], pose.keypoints, np.nan) for pose in seen]
        heights = [_height(one) for one in points]
        alive = [track for track in tracks if index - track.last <= MAX_LOST_FRAMES]
        matches = _match(alive, points, heights, index)
        for person, pose in enumerate(seen):
            track = matches.get(person)
            if track is None:
                track = _Track(points[person], heights[person], index)
                tracks.append(track)
            track.see(index, pose, points[person], heights[person])
    return tracks


def _match(
    tracks: list[_Track], points: list[Floats], heights: list[float], frame: int
) -> dict[int, _Track]:
    """Give each person the track that it continues, where there is one."""
    if not tracks or not points:
        return {}
    costs = np.array(
        [
            [_cost(track, one, height, frame) for one, height in zip(points, heights, strict=True)]
            for track in tracks
        ]
    )
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {int(b): tracks[a] for a, b in pairs if costs[a, b] < NEVER}


def _cost(track: _Track, points: Floats, height: float, frame: int) -> float:
    """Return how unlike the track's continuation a person is, in body heights."""
    apart = np.linalg.norm(points - track.expected(frame), axis=-1)
    if np.isnan(apart).all():
        return NEVER
    size = max(track.height, height)
    distance = float(np.nanmedian(apart)) / size
    allowed = NEAR + NEAR_PER_LOST_FRAME * (frame - track.last - 1)
    if distance > min(allowed, FARTHEST):
        return NEVER
    return distance + SIZE_WEIGHT * abs(float(np.log2(track.height / height)))


def _join(tracks: list[_Track]) -> dict[int, Pose]:
    """Return the heaviest track, joined by those that show the same person at other times."""
    main, *others = sorted(tracks, key=lambda track: -track.weight)
    chosen = dict(main.shown)
    height = _typical(main)
    for track in others:
        same_size = 1 / OTHER_SIZE < _typical(track) / height < OTHER_SIZE
        if len(track.shown) >= MIN_JOINED_FRAMES and same_size and not _overlap(chosen, track):
            chosen |= track.shown
    return chosen


def _overlap(chosen: dict[int, Pose], track: _Track) -> bool:
    """Return whether a frame was chosen between a track's first and last."""
    first, last = min(track.shown), max(track.shown)
    return any(first <= index <= last for index in chosen)


def _typical(track: _Track) -> float:
    shown = [np.where(p.detected[:, None], p.keypoints, np.nan) for p in track.shown.values()]
    return typical_height(np.stack(shown))


def _height(points: Floats) -> float:
    height = float(body_heights(points[None])[0])
    return height if np.isfinite(height) and height > 0 else typical_height(points[None])
