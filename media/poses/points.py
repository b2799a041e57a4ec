"""The points of a body, a hand or a face in a pose file, in the forms that programs write.

The usual form is a flat array of x, y, confidence per joint. Also read: pairs of x, y; an array or
an object per joint; numbers as strings. Joints without usable numbers count as not detected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from media.poses.notes import Notes

MAX_COORDINATE = 1_000_000  # pixels; a joint further out was not detected
MAX_CONFIDENCE = 1.5  # some detectors exceed 1 a little; readers clip it
_NUMBERS = frozenset({int, float})  # not bool
_CONFIDENCE_NAMES = ("confidence", "score", "visibility", "conf", "prob", "c", "v", "s")
_NOT_DETECTED = (0.0, 0.0, 0.0)
_MISSING_PAIRS = ((0.0, 0.0), (-1.0, -1.0))

Points = Sequence[float]


class PointsError(Exception):
    """These points cannot be read; the message says what they are, such as "is null"."""


def read_points(values: Any, counts: tuple[int, ...], notes: Notes, where: str) -> Points:
    """Return x, y, confidence of each joint; zeros for the joints that were not detected.

    A confidence may exceed `MAX_CONFIDENCE`: its scale is known only when the whole file is read.

    Args:
        values: content of the file.
        counts: allowed numbers of joints.
        notes: counts the joints that cannot be used.
        where: place in the file, for the notes.

    Raises:
        PointsError: the form or the number of joints is not known.
    """
    if _is_usual(values, counts):
        return values  # type: ignore[no-any-return]  # a list of numbers
    flat, size = _flat(values, counts)
    points: list[float] = []
    for index in range(0, len(flat), size):
        points += _point(flat[index : index + size], notes, where)
    return points


def _is_usual(values: Any, counts: tuple[int, ...]) -> bool:
    """Return whether every number is in range, by a few passes in C: the usual case."""
    if type(values) is not list or len(values) not in [3 * count for count in counts]:
        return False
    if not _NUMBERS.issuperset(map(type, values)) or -1 in values:
        return False
    confidences = values[2::3]
    return bool(
        -MAX_COORDINATE <= min(values)
        and max(values) <= MAX_COORDINATE
        and min(confidences) >= 0
        and max(confidences) <= MAX_CONFIDENCE
        and (total := sum(values)) == total  # False for NaN, which min and max can miss
    )


def _flat(values: Any, counts: tuple[int, ...]) -> tuple[list[Any], int]:
    """Return the numbers of all joints in a row, and how many each joint has: 2 or 3."""
    if not isinstance(values, list):
        raise PointsError(f"is {shown(values)}, not an array of numbers")
    if values and all(isinstance(value, dict) for value in values):
        values = [_from_object(value) for value in values]
    elif not values or not all(isinstance(value, list) for value in values):
        return values, _size(len(values), counts)
    sizes = {len(value) for value in values}
    if len(values) not in counts:
        raise PointsError(_wrong_count(_joints(len(values)), counts))
    if sizes not in ({2}, {3}):
        raise PointsError("has joints that are not [x, y, confidence] or [x, y]")
    return [number for value in values for number in value], sizes.pop()


def _size(given: int, counts: tuple[int, ...]) -> int:
    for size in (3, 2):
        if given in [size * count for count in counts]:
            return size
    if given in [4 * count for count in counts]:
        raise PointsError(
            f"has {given} numbers, like joints in 3-D; each joint needs x, y, confidence"
        )
    joints = _joints(given // 3) if given % 3 == 0 else "no whole joints"
    raise PointsError(_wrong_count(f"{given} numbers ({joints})", counts))


def _joints(count: int) -> str:
    return f"{count} joint{'' if count == 1 else 's'}"


def _wrong_count(given: str, counts: tuple[int, ...]) -> str:
    *others, last = map(str, sorted(counts))
    return f"has {given}, not {', '.join(others)}{' or ' if others else ''}{last} joints"


def _from_object(joint: dict[str, Any]) -> list[Any]:
    """Return x, y, and the confidence if there is one, of a joint like {"x": 1, "y": 2}."""
    if not {"x", "y"} <= joint.keys():
        raise PointsError('has joints without "x" and "y"')
    confidence = [joint[name] for name in _CONFIDENCE_NAMES if name in joint][:1]
    return [joint["x"], joint["y"], *confidence]


def _point(numbers: list[Any], notes: Notes, where: str) -> tuple[float, float, float]:
    """Return a joint's x, y, confidence; zeros if it was not detected or cannot be used."""
    x, y = number(numbers[0]), number(numbers[1])
    if len(numbers) == 2:
        is_missing = (x, y) in _MISSING_PAIRS or numbers[:2] == [None, None]
        confidence: float | None = 0.0 if is_missing else 1.0
    else:
        confidence = number(numbers[2])
    if confidence == 0:
        return _NOT_DETECTED
    if confidence is None:
        notes.add("joints left out because their confidence is no number", where)
    elif confidence < 0:
        notes.add("joints left out because their confidence is below 0", where)
        notes.odd_confidences += confidence != -1
    elif x is None or y is None or max(abs(x), abs(y)) > MAX_COORDINATE:
        notes.add("joints left out because x or y is no number, or far out of the frame", where)
    elif (x, y) == (-1.0, -1.0):
        notes.add("joints left out because they are at -1, -1", where)
    else:
        return x, y, confidence
    return _NOT_DETECTED


def number(value: Any) -> float | None:
    """Return a finite number, also from a string, or None."""
    if type(value) is str and len(value) < 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if type(value) not in _NUMBERS or abs(value) > 1e300:
        return None
    return None if math.isnan(value) else value


def shown(value: Any) -> str:
    """Return a value as JSON would show it, cut off when it is long."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."
