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
    bounded = moved.copy()
    for axis in (0, 1):
        side, driving_side = canvas[1 - axis], driving_canvas[1 - axis]
        figure, person = rest[..., axis], driving[..., axis]
        bounded[:, axis] *= min(
            _factor(figure, moved[:, axis], side, _share_beyond(person, seen, driving_side), seen),
            _factor(
                side - figure,
                -moved[:, axis],
                side,
                _share_beyond(driving_side - person, seen, driving_side),
                seen,
            ),
        )
    return bounded


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
    outside = sum(
        _is_inside(person) and not _is_inside(figure)
        for figure, person in zip(placed, driving, strict=True)
    )
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


def _factor(figure: Floats, moved: Floats, side: int, share_beyond: Floats, seen: Bools) -> float:
    """Return the largest factor, 0..1, with which a motion respects the far border.

    Args:
        figure: (frames, 18) coordinates with the root at rest.
        moved: (frames,) motion of the root.
        side: the border's coordinate.
        share_beyond: (frames,) share of the body's extent that may be beyond it.
        seen: (frames, 18) which joints count.
    """
    last, extent = _last(figure, seen), _extent(figure, seen)
    border = side + share_beyond * extent
    last = np.where(last > border, _last(figure[:, _CORE], seen[:, _CORE]), last)
    room = np.maximum(border - last, _SPARE * side)
    too_far = moved > room
    return float(np.min(room[too_far] / moved[too_far], initial=1.0))


def _share_beyond(person: Floats, seen: Bools, side: int) -> Floats:
    """Return how much of a body's extent is beyond the far border, (frames,) 0..1."""
    extent = _extent(person, seen)
    beyond = (_last(person, seen) - side).clip(0.0)
    share = np.divide(beyond, extent, out=np.zeros_like(extent), where=extent > 0)
    return np.asarray(share.clip(0.0, 1.0), np.float64)


def _last(coordinates: Floats, seen: Bools) -> Floats:
    """Return the largest coordinate of the joints that were detected; -inf without any."""
    return np.asarray(np.where(seen, coordinates, -np.inf).max(axis=1), np.float64)


def _extent(coordinates: Floats, seen: Bools) -> Floats:
    extent = _last(coordinates, seen) + _last(-coordinates, seen)
    return np.asarray(np.where(np.isfinite(extent), extent, 0.0), np.float64)


def _is_inside(pose: Pose) -> bool:
    """Return whether head or shoulders, or else any joint, is in the picture."""
    height, width = pose.canvas
    core = np.isin(np.arange(len(pose.detected)), _CORE) & pose.detected
    points = pose.keypoints[core if core.any() else pose.detected]
    return bool(((points >= 0) & (points <= [width, height])).all(axis=1).any())
