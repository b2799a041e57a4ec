"""Units of a pose file, recognized over all its points: coordinates and confidences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median

from media.poses.joints import Joint
from media.poses.notes import Notes
from media.poses.people import Person
from media.poses.points import MAX_CONFIDENCE, Points

Frames = list[list[Person]]

# Coordinates of 0..1 or -1..1 may leave the frame a little. Nobody of this many pixels is visible.
MAX_NORMALIZED = 2.0
# A person may be this small in a smaller canvas.
MIN_NORMALIZED_SIDE = 16
# Share of points left of or above the frame from which coordinates are -1..1, with 0 in the middle.
_OFTEN_NEGATIVE = 0.2
# Share of points that may lie anywhere.
_MISTAKEN = 0.1
_HIPS = (Joint.RIGHT_HIP, Joint.LEFT_HIP)
_CONFIDENT = 0.3
_MIN_PERCENT, _MAX_PERCENT = 10.0, 100.0


def fix_confidences(frames: Frames, notes: Notes) -> Frames:
    """Bring confidences over 1.5 to 0..1: percents are divided by 100, others clipped to 1."""
    largest = max((max(part[2::3]) for part in _parts(frames)), default=0.0)
    if largest <= MAX_CONFIDENCE:
        return frames
    confidences = [c for part in _parts(frames) for c in part[2::3] if c > 0]
    if median(confidences) > MAX_CONFIDENCE and _MIN_PERCENT < largest <= _MAX_PERCENT:
        notes.add(f"confidences are percents (up to {largest:g}); they were divided by 100")
        return _mapped(frames, lambda x, y, c: (x, y, c / 100))
    high = sum(c > MAX_CONFIDENCE for c in confidences)
    notes.add(f"confidences above 1 (the largest is {largest:g}) clipped to 1: {high:,}")
    return _mapped(frames, lambda x, y, c: (x, y, min(c, 1.0)))


def is_normalized(frames: Frames, canvas: tuple[int, int] | None) -> bool:
    """Return whether coordinates are 0..1 or -1..1, and not pixels.

    Every detected point of the file counts, a few may be mistakes, and a canvas of few pixels is
    believed.

    Args:
        canvas: (height, width) as the file says, or None.
    """
    if canvas is not None and min(canvas) < MIN_NORMALIZED_SIDE:
        return False
    tolerated = _MISTAKEN * sum(len(part) // 3 for part in _parts(frames))
    near = 0
    for x, y in _detected(frames):
        if abs(x) <= MAX_NORMALIZED and abs(y) <= MAX_NORMALIZED:
            near += 1
        elif (tolerated := tolerated - 1) < 0:
            return False
    return near > 0


def to_pixels(frames: Frames, canvas: tuple[int, int], notes: Notes) -> Frames:
    """Scale coordinates of 0..1 or -1..1 to pixels of the canvas, (height, width)."""
    height, width = canvas
    points = list(_detected(frames))
    negative = sum(x < 0 or y < 0 for x, y in points)
    if negative > _OFTEN_NEGATIVE * len(points):
        up, direction = (-1, ", with y upwards") if _points_up(frames) else (1, "")
        notes.add(
            f"coordinates are -1..1{direction}, not pixels; they were scaled to {width}x{height}"
        )
        return _mapped(frames, lambda x, y, c: ((x + 1) / 2 * width, (up * y + 1) / 2 * height, c))
    notes.add(f"coordinates are 0..1, not pixels; they were scaled to {width}x{height}")
    return _mapped(frames, lambda x, y, c: (x * width, y * height, c))


def _points_up(frames: Frames) -> bool:
    """Return whether y grows upwards: in most bodies, the nose has a larger y than the hips."""
    upright = upside_down = 0
    for body in (person.body for people in frames for person in people):
        hips = [y for joint in _HIPS if (y := _confident_y(body, joint)) is not None]
        nose = _confident_y(body, Joint.NOSE)
        if nose is not None and hips:
            upside_down += nose > max(hips)
            upright += nose < min(hips)
    return upside_down > upright


def _confident_y(body: Points, joint: Joint) -> float | None:
    _, y, confidence = body[3 * joint : 3 * joint + 3]
    return y if confidence >= _CONFIDENT else None


def extent(frames: Frames) -> tuple[float, float]:
    """Return the largest y and x of all detected points; 0 without any."""
    points = list(_detected(frames))
    return max((y for _, y in points), default=0.0), max((x for x, _ in points), default=0.0)


def _parts(frames: Frames) -> Iterator[Points]:
    return (part for people in frames for person in people for part in person.parts)


def _detected(frames: Frames) -> Iterator[tuple[float, float]]:
    return (
        (part[index], part[index + 1])
        for part in _parts(frames)
        for index in range(0, len(part), 3)
        if part[index + 2] > 0
    )


def _mapped(
    frames: Frames, change: Callable[[float, float, float], tuple[float, float, float]]
) -> Frames:
    """Return people whose detected points are changed."""

    def part(points: Points | None) -> Points | None:
        return None if points is None else _changed(points)

    def _changed(points: Points) -> Points:
        changed: list[float] = []
        for index in range(0, len(points), 3):
            x, y, c = points[index : index + 3]
            changed += change(x, y, c) if c > 0 else (x, y, c)
        return changed

    return [
        [
            Person(_changed(p.body), part(p.hand_left), part(p.hand_right), part(p.face))
            for p in people
        ]
        for people in frames
    ]
