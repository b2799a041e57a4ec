"""When the frames of a video are shown, and the constant rate at which they are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from media.limits import DEFAULT_FPS

MAX_FPS = 240
_USUAL_FPS = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120)) + tuple(
    Fraction(rate)
    for rate in (1, 2, 5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120)
)


@dataclass(frozen=True)
class Timing:
    """How the frames of a file lie on a constant rate.

    Attributes:
        fps: the constant rate at which the video is read.
        num_frames: frames at that rate.
        start_s: when the first frame is shown, in the file's own time.
        duration_s: from the first frame's beginning to the last one's end.
        as_stored: every stored frame is one frame read; no frame is repeated or left out.
        stored_fps: the stored frames' own rate, a mean where it varies.
    """

    fps: Fraction
    num_frames: int
    start_s: float
    duration_s: float
    as_stored: bool
    stored_fps: Fraction

    def slot(self, time_s: float) -> int:
        """Return the index of the first frame read at which a frame of this time is shown."""
        return max(0, math.floor((time_s - self.start_s) * float(self.fps) + 0.5))


@dataclass(frozen=True)
class StoredTimes:
    """When the stored frames are shown, as the file says.

    Attributes:
        times_s: one per frame, in any order; None where the file gives none.
        last_duration_s: how long the last frame is shown, or None where the file does not say.
        declared: rates that the file declares, the likeliest first.
    """

    times_s: Sequence[float | None]
    last_duration_s: float | None
    declared: Sequence[Fraction | None]


def find_timing(stored: StoredTimes, fps: Fraction | None = None) -> Timing:
    """Choose the constant rate of a video from the times at which its frames are shown.

    Frames that lie on a regular grid to within a quarter of a frame are taken one by one at that
    grid's rate. Others are resampled to the rate that most frames keep: a frame stays until the
    next one is due.

    Args:
        stored: of at least one frame.
        fps: a rate asked for in the place of the video's own.
    """
    count = len(stored.times_s)
    known = np.sort(np.array([t for t in stored.times_s if t is not None], dtype=np.float64))
    rates = [rate for rate in stored.declared if rate is not None and 0 < rate <= MAX_FPS]
    if len(known) == count > 1:
        regular = _regular_rate(known, rates)
        if regular is None:
            return _irregular(known, stored.last_duration_s, fps)
    else:
        regular = rates[0] if rates else DEFAULT_FPS
    start_s = float(known[0]) if len(known) else 0.0
    return _regular(regular, count, start_s, fps)


def _regular(own: Fraction, count: int, start_s: float, fps: Fraction | None) -> Timing:
    duration_s = count / float(own)
    if fps is None or fps == own:
        return Timing(own, count, start_s, duration_s, as_stored=True, stored_fps=own)
    num_frames = max(1, round(duration_s * float(fps)))
    return Timing(fps, num_frames, start_s, duration_s, as_stored=False, stored_fps=own)


def _irregular(
    known: NDArray[np.float64], last_duration_s: float | None, fps: Fraction | None
) -> Timing:
    commonest = _commonest_rate(known)
    fps = fps or commonest
    shown_s = last_duration_s or 1 / float(commonest)
    duration_s = float(known[-1] - known[0]) + shown_s
    num_frames = max(1, round(duration_s * float(fps)))
    mean = Fraction(len(known) / duration_s).limit_denominator(1000) or DEFAULT_FPS
    return Timing(fps, num_frames, float(known[0]), duration_s, as_stored=False, stored_fps=mean)


def _regular_rate(known: NDArray[np.float64], declared: list[Fraction]) -> Fraction | None:
    """Return the first rate on whose grid all frames lie to within a quarter of a frame."""
    span_s = float(known[-1] - known[0])
    if span_s <= 0:
        return None
    measured = (len(known) - 1) / span_s
    candidates = [*declared, _usual(measured, 0.005)]
    for rate in candidates:
        offsets = (known - known[0]) * float(rate) - np.arange(len(known))
        if rate <= MAX_FPS and float(np.abs(offsets).max()) <= 0.25:
            return rate
    return None


def _commonest_rate(known: NDArray[np.float64]) -> Fraction:
    """Return the rate that the median distance between frames makes."""
    steps = np.diff(known)
    steps = steps[steps > 0]
    if not len(steps):
        return DEFAULT_FPS
    return _usual(min(1 / float(np.median(steps)), 120.0), 0.02)


def _usual(rate: float, tolerance: float) -> Fraction:
    """Return the nearest rate that cameras and encoders use, where one is near enough."""
    nearest = min(_USUAL_FPS, key=lambda usual: abs(float(usual) - rate))
    if abs(float(nearest) - rate) <= tolerance * rate:
        return nearest
    return Fraction(rate).limit_denominator(1000)
