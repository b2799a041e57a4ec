"""Display times of frames, and the constant rate at which a video is read; needs no numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from statistics import median

from media.limits import DEFAULT_FPS

MAX_FPS = 240
_COMMON_FPS = tuple(Fraction(rate * 1000, 1001) for rate in (24, 30, 60, 120)) + tuple(
    Fraction(rate)
    for rate in (1, 2, 5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120)
)


@dataclass(frozen=True)
class Timing:
    """A mapping of stored frames to a constant rate.

    Attributes:
        fps: the constant rate at which the video is read.
        num_frames: frames at that rate.
        start_s: display time of the first frame, in the file's time.
        duration_s: time from the start of the first frame to the end of the last one.
        as_stored: each stored frame is read once; no frame is repeated or dropped.
        stored_fps: rate of the stored frames, the mean when it varies.
    """

    fps: Fraction
    num_frames: int
    start_s: float
    duration_s: float
    as_stored: bool
    stored_fps: Fraction

    def slot(self, time_s: float) -> int:
        """Return the index of the first frame read that shows a frame of this time."""
        return max(0, math.floor((time_s - self.start_s) * float(self.fps) + 0.5))


@dataclass(frozen=True)
class StoredTimes:
    """Display times of the stored frames, as the file declares them.

    Attributes:
        times_s: one per frame, in any order; None if the file has none.
        last_duration_s: display duration of the last frame, or None if unknown.
        declared: rates that the file declares, the most reliable first.
        holds_last: whether the last frame is shown for all of its duration, as in animated
            images; that of a video may mean nothing.
    """

    times_s: Sequence[float | None]
    last_duration_s: float | None
    declared: Sequence[Fraction | None]
    holds_last: bool = False

    @classmethod
    def of_durations(cls, durations_s: Sequence[float]) -> StoredTimes:
        """Return the times of an animated image, of which each frame has a duration."""
        *starts_s, _ = accumulate(durations_s, initial=0.0)
        return cls(starts_s, durations_s[-1], (), holds_last=True)


def find_timing(stored: StoredTimes, fps: Fraction | None = None) -> Timing:
    """Choose the constant rate of a video from the display times of its frames.

    Frames on a regular grid, to within a quarter of a frame, are read one by one at the rate of
    the grid. Others are resampled to the most common rate: a frame is repeated until the next one
    is due.

    Args:
        stored: times of the stored frames, at least one.
        fps: a rate to use instead of the video's own.
    """
    count = len(stored.times_s)
    times = sorted(time for time in stored.times_s if time is not None)
    rates = [rate for rate in stored.declared if rate is not None and 0 < rate <= MAX_FPS]
    if len(times) == count > 1:
        regular = _regular_rate(times, rates)
        if regular is None:
            return _irregular_timing(times, stored.last_duration_s, fps)
    else:
        regular = rates[0] if rates else DEFAULT_FPS
    last = 1
    if stored.holds_last and stored.last_duration_s is not None:
        last = max(1, round(stored.last_duration_s * float(regular)))
    return _regular_timing(regular, count, last, times[0] if times else 0.0, fps)


def _regular_timing(
    own: Fraction, count: int, last: int, start_s: float, fps: Fraction | None
) -> Timing:
    """Return the timing of `count` frames at their own rate, the last shown for `last` frames."""
    duration_s = (count - 1 + last) / float(own)
    rate = own if fps is None else fps
    num_frames = max(1, round(duration_s * float(rate)))
    as_stored = rate == own and last == 1
    return Timing(rate, num_frames, start_s, duration_s, as_stored, stored_fps=own)


def _irregular_timing(
    times: list[float], last_duration_s: float | None, fps: Fraction | None
) -> Timing:
    most_common = _most_common_rate(times)
    fps = fps or most_common
    shown_s = last_duration_s or 1 / float(most_common)
    duration_s = times[-1] - times[0] + shown_s
    num_frames = max(1, round(duration_s * float(fps)))
    mean = Fraction(len(times) / duration_s).limit_denominator(1000) or DEFAULT_FPS
    return Timing(fps, num_frames, times[0], duration_s, as_stored=False, stored_fps=mean)


def _regular_rate(times: list[float], declared: list[Fraction]) -> Fraction | None:
    """Return the first rate whose grid has all frames, to within a quarter of a frame."""
    span_s = times[-1] - times[0]
    if span_s <= 0:
        return None
    measured = (len(times) - 1) / span_s
    candidates = [*declared, _round_rate(measured, 0.005)]
    for rate in candidates:
        grid = enumerate((time - times[0]) * float(rate) for time in times)
        if rate <= MAX_FPS and max(abs(place - index) for index, place in grid) <= 0.25:
            return rate
    return None


def _most_common_rate(times: list[float]) -> Fraction:
    """Return the rate of the median interval between frames."""
    steps = [after - before for before, after in pairwise(times) if after > before]
    if not steps:
        return DEFAULT_FPS
    return _round_rate(min(1 / median(steps), 120.0), 0.02)


def _round_rate(rate: float, tolerance: float) -> Fraction:
    """Return the nearest common rate if it is within the relative tolerance, else the rate."""
    nearest = min(_COMMON_FPS, key=lambda common: abs(float(common) - rate))
    if abs(float(nearest) - rate) <= tolerance * rate:
        return nearest
    return Fraction(rate).limit_denominator(1000)
