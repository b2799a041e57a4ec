"""Tracking of people over time, and choice of the main one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from media.poses.keypoints import Pose
from tcan_core.conditioning.appearance import appearance_distance
from tcan_core.conditioning.bones import Floats, stack_points
from tcan_core.conditioning.cleaning.size import body_heights, typical_height
from tcan_core.errors import ParameterError

# The person to follow, in the first frame with people: an index from the left, or the nearest to a
# point (x, y) relative to width and height. None is the main person.
PersonChoice = int | tuple[float, float] | None

# Distances are in body heights.
MAX_DISTANCE = 0.5  # between a person and the position that its track predicts ...
MAX_DISTANCE_PER_LOST_S = 1.25  # ... increased by the time without the person ...
MAX_DISTANCE_AFTER_LOSS = 1.0  # ... up to this
# Cost of leaving a track and a person unmatched, and the largest cost of a match. With a much
# higher one, two people would be swapped so that a passer-by is matched as well.
UNMATCHED = 0.7
MAX_LOST_S = 1.2
PREDICTED_S = 0.2  # a lost track moves on for this time
SIZE_WEIGHT = 0.1  # cost of a doubled size; small, because sizes are estimated roughly
MAX_SIZE_RATIO = 1.6  # of tracks of the same person
MIN_JOINED_FRAMES = 3
APPEARANCE_WEIGHT = 1.0  # cost of a completely different appearance
DIFFERENT_APPEARANCE = 0.5  # distance above which tracks are different people
APPEARANCE_MEMORY = 0.9


@dataclass(eq=False)
class Track:
    """The track of one person: its last position, its velocity, and its frames."""

    points: Floats
    height: float
    last: int
    fps: float
    velocity: Floats = field(default_factory=lambda: np.zeros(2))
    poses: dict[int, Pose] = field(default_factory=dict)
    weight: float = 0.0
    appearance: Floats | None = None

    def expected(self, frame: int) -> Floats:
        """Return the joints predicted by the velocity, (18, 2)."""
        return self.points + self.velocity * min(frame - self.last, PREDICTED_S * self.fps)

    def see(self, frame: int, pose: Pose, points: Floats, height: float) -> None:
        """Add a frame with the person."""
        moved = points - self.points
        if frame > self.last and np.isfinite(moved).any():
            speed = np.nanmedian(moved, axis=0) / (frame - self.last)
            self.velocity = 0.5 * self.velocity + 0.5 * speed
        # An undetected joint is assumed to move with the others.
        carried = self.expected(frame)
        self.points = np.where(np.isnan(points), carried, points)
        self.height, self.last = height, frame
        self.poses[frame] = pose
        if pose.appearance is not None:
            last = pose.appearance if self.appearance is None else self.appearance
            self.appearance = APPEARANCE_MEMORY * last + (1 - APPEARANCE_MEMORY) * pose.appearance
        self.weight += height * float(pose.confidence.sum())


def choose_person(
    frames: Sequence[Sequence[Pose]], person: PersonChoice = None, fps: float = 25.0
) -> list[Pose | None]:
    """Choose one person of a video and follow it, also when people cross.

    People are tracked by the predicted positions of their joints, and by their appearance if it is
    known. The main person has the largest sum of size times confidence over all frames. In frames
    without it the result is None, unless another track of the same size and appearance covers only
    such frames: this is taken as the person's return.

    Args:
        person: the person to follow, see `PersonChoice`.
        fps: frames per second.

    Returns:
        One person, or None, for each frame.

    Raises:
        ParameterError: the index is too large.
    """
    tracks = follow_people(frames, fps)
    if not tracks:
        return [None] * len(frames)
    main = main_track(tracks, person)
    chosen = join_tracks(main, [track for track in tracks if track is not main])
    return [chosen.get(index) for index in range(len(frames))]


def follow_people(frames: Sequence[Sequence[Pose]], fps: float) -> list[Track]:
    """Return the tracks of all people; one who was lost for long has several."""
    tracks: list[Track] = []
    for index, people in enumerate(frames):
        seen = [pose for pose in people if pose.detected.any()]
        points = [np.where(pose.detected[:, None], pose.keypoints, np.nan) for pose in seen]
        heights = [_height(one) for one in points]
        alive = [track for track in tracks if index - track.last <= MAX_LOST_S * fps]
        matches = _match(alive, points, heights, seen, index)
        for person, pose in enumerate(seen):
            track = matches.get(person)
            if track is None:
                track = Track(points[person], heights[person], index, fps)
                tracks.append(track)
            track.see(index, pose, points[person], heights[person])
    return tracks


def _match(
    tracks: list[Track],
    points: list[Floats],
    heights: list[float],
    seen: list[Pose],
    frame: int,
) -> dict[int, Track]:
    """Return the track that each person continues, by the person's index."""
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
    return {int(b): tracks[a] for a, b in pairs if costs[a, b] < UNMATCHED}


def _cost(
    track: Track, points: Floats, height: float, frame: int, appearance: Floats | None
) -> float:
    """Return the cost of a person as continuation of a track, in body heights; 0..UNMATCHED."""
    apart = np.linalg.norm(points - track.expected(frame), axis=-1)
    if np.isnan(apart).all():
        return UNMATCHED
    size = max(track.height, height)
    distance = float(np.nanmedian(apart)) / size
    allowed = MAX_DISTANCE + MAX_DISTANCE_PER_LOST_S * (frame - track.last - 1) / track.fps
    if distance > min(allowed, MAX_DISTANCE_AFTER_LOSS):
        return UNMATCHED
    other_size = SIZE_WEIGHT * abs(float(np.log2(track.height / height)))
    other_appearance = APPEARANCE_WEIGHT * (
        appearance_distance(track.appearance, appearance) or 0.0
    )
    return min(distance + other_size + other_appearance, UNMATCHED)


def parse_person(text: str | None) -> PersonChoice:
    """Parse a choice such as "1" or "0.25,0.5".

    Raises:
        ParameterError: the text is neither an index nor a point.
    """
    if text is None:
        return None
    try:
        if "," not in text:
            return int(text)
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ParameterError(
            f"person is {text!r}; it must be an index from the left (0, 1, ...)"
            " or a point X,Y relative to width and height, such as 0.25,0.5"
        ) from error
    return x, y


def first_people(tracks: list[Track]) -> list[Track]:
    """Return the tracks in the first frame with people, from the left."""
    first = _first_frame(tracks)
    present = [track for track in tracks if first in track.poses]
    return sorted(present, key=lambda track: float(_middle(track.poses[first])[0]))


def _first_frame(tracks: list[Track]) -> int:
    return min(min(track.poses) for track in tracks)


def main_track(tracks: list[Track], person: PersonChoice) -> Track:
    """Return the track of the requested person. Raises ParameterError."""
    if person is None:
        return max(tracks, key=lambda track: track.weight)
    first, present = _first_frame(tracks), first_people(tracks)
    if isinstance(person, tuple):
        height, width = present[0].poses[first].canvas
        point = np.array(person) * [width, height]
        return min(
            present, key=lambda one: float(np.linalg.norm(_middle(one.poses[first]) - point))
        )
    if not 0 <= person < len(present):
        raise ParameterError(
            f"person is {person}; frame {first}, the first with people, has {len(present)},"
            f" so it must be 0 to {len(present) - 1}, from the left"
        )
    return present[person]


def _middle(pose: Pose) -> Floats:
    return np.asarray(np.median(pose.keypoints[pose.detected], axis=0), np.float64)


def join_tracks(main: Track, others: list[Track]) -> dict[int, Pose]:
    """Return the poses of a track by frame, joined with other tracks of the same person."""
    chosen = dict(main.poses)
    height = _typical(main)
    for track in sorted(others, key=lambda track: -track.weight):
        if (appearance_distance(main.appearance, track.appearance) or 0.0) > DIFFERENT_APPEARANCE:
            continue
        same_size = 1 / MAX_SIZE_RATIO < _typical(track) / height < MAX_SIZE_RATIO
        if len(track.poses) >= MIN_JOINED_FRAMES and same_size and not _overlap(chosen, track):
            chosen |= track.poses
    return chosen


def _overlap(chosen: dict[int, Pose], track: Track) -> bool:
    """Return whether a chosen frame lies between the first and last frame of a track."""
    first, last = min(track.poses), max(track.poses)
    return any(first <= index <= last for index in chosen)


def _typical(track: Track) -> float:
    return typical_height(stack_points(list(track.poses.values())))


def _height(points: Floats) -> float:
    height = float(body_heights(points[None])[0])
    return height if np.isfinite(height) and height > 0 else typical_height(points[None])
