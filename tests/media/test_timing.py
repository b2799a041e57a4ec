"""The constant rate is found from the display times of the frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from media.timing import StoredTimes, find_timing


def _times(times_s: list[float | None], *declared: Fraction) -> StoredTimes:
    return StoredTimes(times_s, None, declared)


def test_declared_rate_that_fits_is_used() -> None:
    timing = find_timing(_times([i * 1001 / 30000 for i in range(900)], Fraction(30000, 1001)))
    assert (timing.fps, timing.num_frames, timing.as_stored) == (Fraction(30000, 1001), 900, True)


def test_declared_rate_that_does_not_fit_is_ignored() -> None:
    timing = find_timing(_times([i / 24 for i in range(100)], Fraction(30)))
    assert (timing.fps, timing.num_frames, timing.as_stored) == (Fraction(24), 100, True)


def test_times_rounded_to_milliseconds_are_regular() -> None:
    times: list[float | None] = [round(i * 1000 / 60) / 1000 for i in range(600)]
    assert find_timing(_times(times)).fps == 60


def test_the_order_in_the_file_does_not_matter() -> None:
    times: list[float | None] = [0.0, 0.12, 0.04, 0.08, 0.2, 0.16]
    assert find_timing(_times(times, Fraction(25))).as_stored


def test_frames_without_times_use_the_declared_rate() -> None:
    timing = find_timing(_times([None] * 7, Fraction(50)))
    assert (timing.fps, timing.num_frames, timing.duration_s) == (Fraction(50), 7, 0.14)


def test_slide_show_keeps_its_duration() -> None:
    timing = find_timing(StoredTimes([0.0, 1.0, 5.0], 2.0, ()))
    assert timing.duration_s == 7.0
    assert timing.num_frames == round(7 * timing.fps)


def test_high_time_base_is_not_used_as_rate() -> None:
    assert find_timing(_times([0.0, 0.1, 0.2], Fraction(90_000))).fps == 10


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(15), Fraction(24), Fraction(60)])
def test_dropped_frames_do_not_change_rate_or_duration(fps: Fraction) -> None:
    random = np.random.default_rng(1)
    indices = np.flatnonzero(random.random(200) > 0.2).tolist()
    timing = find_timing(_times([i / float(fps) for i in indices]))
    assert timing.fps == fps
    assert timing.num_frames == pytest.approx(indices[-1] - indices[0] + 1, abs=1)
    slots = [timing.slot(i / float(fps)) for i in indices]
    assert slots == [i - indices[0] for i in indices]
