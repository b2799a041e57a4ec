"""The people of a video, for those who choose one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.poses.keypoints import Pose
from tcan_core.conditioning.appearance import main_color
from tcan_core.conditioning.cleaning.person import (
    MIN_JOINED_FRAMES,
    PersonChoice,
    first_people,
    follow_people,
    join_tracks,
    main_track,
)


@dataclass(frozen=True)
class FoundPerson:
    """A person in a video.

    Attributes:
        number: index from the left among the first people, by which the person can be chosen; None
            for one who comes later.
        is_followed: whether it is the chosen one.
        share: share of the frames in which it was detected, 0..1.
        frame: the frame in which its joints have the highest confidence.
        box: left, top, right and bottom of its joints there, in pixels.
        color: main colour of its torso as #rrggbb, or None if unknown; coarse.
    """

    number: int | None
    is_followed: bool
    share: float
    frame: int
    box: tuple[float, float, float, float]
    color: str | None


def find_people(
    frames: Sequence[Sequence[Pose]], chosen: PersonChoice = None, fps: float = 25.0
) -> list[FoundPerson]:
    """Return those who can be chosen from the left, then those who come later and stay a while.

    Args:
        frames: the people of each frame.
        chosen: the person to follow.

    Raises:
        ParameterError: the index of `chosen` is too large.
    """
    tracks = follow_people(frames, fps)
    if not tracks:
        return []
    main, first = main_track(tracks, chosen), first_people(tracks)
    later = [track for track in tracks if track not in first]
    found, seen = [], set[int]()
    for number, track in enumerate([main, *first, *later]):
        poses = join_tracks(track, [other for other in tracks if other is not track])
        is_repeated = any(id(pose) in seen for pose in track.poses.values())
        if is_repeated or (track in later and len(track.poses) < MIN_JOINED_FRAMES):
            continue
        seen |= {id(pose) for pose in poses.values()}
        index = first.index(track) if track in first else None
        found.append(_person(poses, index, number == 0, len(frames)))
    return sorted(found, key=lambda person: (person.number is None, person.number or 0))


def _person(
    poses: dict[int, Pose], number: int | None, is_followed: bool, frames: int
) -> FoundPerson:
    frame = max(poses, key=lambda index: float(poses[index].confidence.sum()))
    joints = poses[frame].keypoints[poses[frame].detected]
    left, top, right, bottom = (float(v) for v in (*joints.min(axis=0), *joints.max(axis=0)))
    known = [pose.appearance for pose in poses.values() if pose.appearance is not None]
    color = main_color(np.mean(known, axis=0)) if known else None
    box = left, top, right, bottom
    return FoundPerson(number, is_followed, len(poses) / frames, frame, box, color)
