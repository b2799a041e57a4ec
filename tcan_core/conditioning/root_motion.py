"""Motion of a figure's root in its picture: as the driving person's, bounded, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Bools, Floats

RootMotion = Literal["full", "bounded", "none"]
_CORE = [Joint.NOSE, Joint.NECK, Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER]
_SPARE = 0.02  # of the picture's side: even a figure at its border may move by this
_SELDOM = 0.01  # share of frames that cause no warning


def bound_motion(
    rest: Floats,
    moved: Floats,
    driving: Floats,
    seen: Bools,
    canvas: tuple[int, int],
    driving_canvas: tuple[int, int],
) -> Floats:
    """Reduce a root's motion so that the figure stays as far in the picture as the driving person.

    The horizontal and the vertical motion are each multiplied by one factor for the whole video, so
    that its form is kept. A figure that its picture crops shall keep head and shoulders in it.

    Args:
        rest: (frames, 18, 2) joints of the figure with its root at rest, in pixels.
        moved: (frames, 2) motion of the root since the start, in pixels of the figure's picture.
        driving: (frames, 18, 2) joints of the driving person, in pixels of its own picture.
        seen: (frames, 18) which joints were detected.
        canvas: (height, width) of the figure's picture.
        driving_canvas: (height, width) of the driving person's picture.

    Returns:
        (frames, 2) pixels, at most `moved`.
    """
    size, driving_size = np.array(canvas[::-1]), np.array(driving_canvas[::-1])
    right_and_bottom = _factors(rest, moved, size, _share_beyond(driving, seen, driving_size), seen)
    beyond = _share_beyond(driving_size - driving, seen, driving_size)
    left_and_top = _factors(size - rest, -moved, size, beyond, seen)
    return moved * np.minimum(right_and_bottom, left_and_top)


def outside_warnings(
    placed: Sequence[Pose], driving: Sequence[Pose], root_motion: RootMotion | None
) -> list[str]:
    """Return a warning if the figure leaves the picture while the driving person does not.

    Args:
        placed: the poses in the figure's picture.
        driving: the same poses in the driving person's picture.
        root_motion: how the figure moved; None for poses that were not retargeted.
    """
    frames = [person for person in driving if person.detected.any()]
    outside = len(frames_outside(placed, driving))
    if outside <= _SELDOM * len(frames):
        return []
    remedies = {
        "full": "; root_motion bounded keeps it inside",
        "bounded": "; root_motion none keeps it where it is",
        None: "; retargeting places it as in the image",
    }
    return [
        f"the figure is outside the picture in {outside / len(frames):.0%} of the frames"
        f"{remedies.get(root_motion, '')}"
    ]


def frames_outside(placed: Sequence[Pose], driving: Sequence[Pose]) -> list[int]:
    """Return the frames in which the figure is outside its picture, but the driving person not."""
    return [
        index
        for index, (figure, person) in enumerate(zip(placed, driving, strict=True))
        if _is_inside(person) and not _is_inside(figure)
    ]


def _factors(
    figure: Floats, moved: Floats, borders: Floats, share_beyond: Floats, seen: Bools
) -> Floats:
    """Return the largest factors, (2,) 0..1, with which a motion respects the far borders.

    Args:
        figure: (frames, 18, 2) joints with the root at rest.
        moved: (frames, 2) motion of the root.
        borders: (2,) the largest x and y of the picture.
        share_beyond: (frames, 2) share of the body's extent that may be beyond them.
        seen: (frames, 18) which joints count.
    """
    last = _last(figure, seen)
    allowed = borders + share_beyond * _extent(figure, seen)
    last = np.where(last > allowed, _last(figure[:, _CORE], seen[:, _CORE]), last)
    room = np.maximum(allowed - last, _SPARE * borders)
    factors = np.divide(room, moved, out=np.ones_like(moved), where=moved > room)
    return np.asarray(factors.min(axis=0), np.float64)


def _share_beyond(person: Floats, seen: Bools, borders: Floats) -> Floats:
    """Return how much of a body's extent is beyond the far borders, (frames, 2) 0..1."""
    extent = _extent(person, seen)
    beyond = (_last(person, seen) - borders).clip(0.0)
    share = np.divide(beyond, extent, out=np.zeros_like(extent), where=extent > 0)
    return np.asarray(share.clip(0.0, 1.0), np.float64)


def _last(points: Floats, seen: Bools) -> Floats:
    """Return the largest x and y of the joints that were detected, (frames, 2); -inf if none."""
    return np.asarray(np.where(seen[..., None], points, -np.inf).max(axis=1), np.float64)


def _extent(points: Floats, seen: Bools) -> Floats:
    extent = _last(points, seen) + _last(-points, seen)
    return np.asarray(np.where(np.isfinite(extent), extent, 0.0), np.float64)


def _is_inside(pose: Pose) -> bool:
    """Return whether head or shoulders, or else any joint, is in the picture."""
    height, width = pose.canvas
    core = np.isin(np.arange(len(pose.detected)), _CORE) & pose.detected
    points = pose.keypoints[core if core.any() else pose.detected]
    return bool(((points >= 0) & (points <= [width, height])).all(axis=1).any())
