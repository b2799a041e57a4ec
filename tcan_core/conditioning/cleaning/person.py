"""Follow people over time, and choose the main one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from media.poses.keypoints import Pose
from tcan_core.conditioning.appearance import appearance_distance
from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.cleaning.size import body_heights, typical_height
from tcan_core.errors import ParameterError

# Who is asked for: a number from the left, 0 first, or the nearest to a point, (x, y) in parts of
# width and height, each in the first frame that shows anybody; None is the main person.
PersonChoice = int | tuple[float, float] | None

# Distances are in body heights.
NEAR = 0.5  # the farthest that a person is from where the track expects it ...
NEAR_PER_LOST_FRAME = 0.05  # ... how this grows while the person is not seen ...
FARTHEST = 1.0  # ... and how far
NEVER = 1000.0
MAX_LOST_FRAMES = 30
SIZE_WEIGHT = 0.1  # how much a doubling of size counts; a size is told only roughly
OTHER_SIZE = 1.6  # tracks whose sizes differ by more show different people
MIN_JOINED_FRAMES = 3
APPEARANCE_WEIGHT = 1.0  # how much another look counts, from alike to nothing in common
DIFFERENT_APPEARANCE = 0.5  # tracks whose looks differ by more show different people
APPEARANCE_MEMORY = 0.9


@dataclass
class _Track:
    """One person: where it was seen last, where it goes, and the frames that show it."""

    points: Floats
    height: float
    last: int
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    shown: dict[int, Pose] = field(default_factory=dict)
    weight: float = 0.0
    appearance: Floats | None = None

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
        if pose.appearance is not None:
            known = pose.appearance if self.appearance is None else self.appearance
            self.appearance = APPEARANCE_MEMORY * known + (1 - APPEARANCE_MEMORY) * pose.appearance
        self.weight += height * float(pose.confidence.sum())


def choose_person(
    frames: Sequence[Sequence[Pose]], person: PersonChoice = None
) -> list[Pose | None]:
    """Choose a person of a video and keep to it, also when people cross.

    People are followed from frame to frame by where their joints are expected, and by what they
    look like where that is known. The main person is the one that is largest, longest and surest
    in sum. While it is not seen the result is None, except that a person of its size and look that
    comes only when it has gone counts as its return.

    Args:
        frames: the people of each frame.
        person: who is asked for, see `PersonChoice`.

    Returns:
        One person, or None, for each frame.

    Raises:
        ParameterError: there are not so many people.
    """
    tracks = _follow(frames)
    if not tracks:
        return [None] * len(frames)
    main = _main(tracks, person)
    chosen = _join(main, [track for track in tracks if track is not main])
    return [chosen.get(index) for index in range(len(frames))]


def _follow(frames: Sequence[Sequence[Pose]]) -> list[_Track]:
    tracks: list[_Track] = []
    for index, people in enumerate(frames):
        seen = [pose for pose in people if pose.detected.any()]
        points = [np.where(pose.detected[:, None], pose.keypoints, np.nan) for pose in seen]
        heights = [_height(one) for one in points]
        alive = [track for track in tracks if index - track.last <= MAX_LOST_FRAMES]
        matches = _match(alive, points, heights, seen, index)
        for person, pose in enumerate(seen):
            track = matches.get(person)
            if track is None:
                track = _Track(points[person], heights[person], index)
                tracks.append(track)
            track.see(index, pose, points[person], heights[person])
    return tracks


def _match(
    tracks: list[_Track],
    points: list[Floats],
    heights: list[float],
    seen: list[Pose],
    frame: int,
) -> dict[int, _Track]:
    """Give each person the track that it continues, where there is one."""
    if not tracks or not points:
        return {}
    costs = np.array(
        [
            [
                _cost(track, one, height, frame, pose.appearance)
                for one, height, pose in zip(points, heights, seen, strict=True)
            ]
            for track in tracks
        ]
    )
    pairs = zip(*linear_sum_assignment(costs), strict=True)
    return {int(b): tracks[a] for a, b in pairs if costs[a, b] < NEVER}


def _cost(
    track: _Track, points: Floats, height: float, frame: int, appearance: Floats | None
) -> float:
    """Return how unlike the track's continuation a person is, in body heights."""
    apart = np.linalg.norm(points - track.expected(frame), axis=-1)
    if np.isnan(apart).all():
        return NEVER
    size = max(track.height, height)
    distance = float(np.nanmedian(apart)) / size
    allowed = NEAR + NEAR_PER_LOST_FRAME * (frame - track.last - 1)
    if distance > min(allowed, FARTHEST):
        return NEVER
    other_size = SIZE_WEIGHT * abs(float(np.log2(track.height / height)))
    return (
        distance
        + other_size
        + APPEARANCE_WEIGHT * (appearance_distance(track.appearance, appearance) or 0.0)
    )


def parse_person(text: str | None) -> PersonChoice:
    """Read a choice as people write it: "1", or "0.25,0.5".

    Raises:
        ParameterError: it is neither.
    """
    if text is None:
        return None
    try:
        if "," not in text:
            return int(text)
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(
            f"person is {text!r}; it must be a number from the left (0, 1, ...)"
            " or a point X,Y in parts of width and height, such as 0.25,0.5"
        ) from error
    return x, y


def _main(tracks: list[_Track], person: PersonChoice) -> _Track:
    """Return the track of the person who is asked for."""
    if person is None:
        return max(tracks, key=lambda track: track.weight)
    first = min(min(track.shown) for track in tracks)
    there = [(track, track.shown[first]) for track in tracks if first in track.shown]
    if isinstance(person, tuple):
        height, width = there[0][1].canvas
        point = np.array(person) * [width, height]
        return min(there, key=lambda one: float(np.linalg.norm(_middle(one[1]) - point)))[0]
    if not 0 <= person < len(there):
        raise ParameterError(
            f"person is {person}; frame {first}, the first that shows anybody, has {len(there)},"
            f" so it must be 0 to {len(there) - 1}, from the left"
        )
    return sorted(there, key=lambda one: float(_middle(one[1])[0]))[person][0]


def _middle(pose: Pose) -> Floats:
    return np.asarray(np.median(pose.keypoints[pose.detected], axis=0), np.float64)


def _join(main: _Track, others: list[_Track]) -> dict[int, Pose]:
    """Return a track, joined by those that show the same person at other times."""
    chosen = dict(main.shown)
    height = _typical(main)
    for track in sorted(others, key=lambda track: -track.weight):
        if (appearance_distance(main.appearance, track.appearance) or 0.0) > DIFFERENT_APPEARANCE:
            continue
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
