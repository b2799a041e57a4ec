"""Conversion of bodies of other layouts to OpenPose-18; numpy is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from media.poses.joints import JOINT_ORDERS, NUM_JOINTS, Joint, Layout

Points = Sequence[float]
_MISSING = (0.0, 0.0, 0.0)


def to_openpose18(points: Points, layout: Layout) -> Points:
    """Convert a body, flat x, y, confidence per joint of its layout, to the 18 joints of OpenPose.

    A neck that the layout lacks is the middle of the shoulders, with the lower one of their
    confidences. Confidence may be COCO's visibility flag: 2 (visible) becomes 1, as for
    1 (labelled, hidden).
    """
    order = JOINT_ORDERS[layout].body
    if order == tuple(range(NUM_JOINTS)):
        return points
    body = [number for index in order for number in _joint(points, index)]
    if layout is Layout.COCO17:
        body[2::3] = [min(confidence, 1.0) for confidence in body[2::3]]
    if order[Joint.NECK] is None:
        body[3 * Joint.NECK : 3 * Joint.NECK + 3] = _middle(
            _joint(body, Joint.LEFT_SHOULDER), _joint(body, Joint.RIGHT_SHOULDER)
        )
    return body


def selected(points: Points, indices: Iterable[int]) -> Points:
    """Return the points at these indices, flat x, y, confidence."""
    return [number for index in indices for number in _joint(points, index)]


def _joint(points: Points, index: int | None) -> Points:
    return _MISSING if index is None else points[3 * index : 3 * index + 3]


def _middle(left: Points, right: Points) -> Points:
    if left[2] <= 0 or right[2] <= 0:
        return _MISSING
    return [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2, min(left[2], right[2])]
