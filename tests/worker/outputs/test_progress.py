"""Steps of a stage become progress of a job."""

from __future__ import annotations

import math

import pytest

from service.contract.job import Progress
from tcan_core.progress import AnimateProgress
from worker.outputs.progress import SHARES, ProgressWriter


class TimedWriter:
    """A progress writer with an injected clock, and its writes."""

    def __init__(self, interval_s: float = 0.5) -> None:
        self.now_s = 0.0
        self.written: list[Progress] = []
        self.writer = ProgressWriter(self.written.append, interval_s, lambda: self.now_s)

    def step(self, step: AnimateProgress, after_s: float = 0.0) -> None:
        self.now_s += after_s
        self.writer(step)


def test_stages_cover_the_progress_without_gaps() -> None:
    ends = [0.0]
    for first, last in SHARES.values():
        assert first == ends[-1] < last
        ends.append(last)
    assert ends[-1] == 1.0


def test_fraction_covers_the_whole_job() -> None:
    watch = TimedWriter()
    for stage in SHARES:
        watch.step(AnimateProgress(stage, 0, 2, fraction=0.0))
        watch.step(AnimateProgress(stage, 2, 2, fraction=1.0))
    fractions = [progress.fraction for progress in watch.written]
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert fractions == sorted(fractions)


def test_writes_are_spaced_and_stage_ends_are_always_written() -> None:
    watch = TimedWriter()
    for step in range(11):
        watch.step(AnimateProgress("denoise", step, 10, fraction=step / 10), after_s=0.1)
    assert [progress.step for progress in watch.written] == [0, 5, 10]


def test_progress_is_written_less_often_for_longer_jobs() -> None:
    """The events of a job are all kept, so that who comes back misses none."""
    watch, steps = TimedWriter(0.2), 36_000
    info = []
    for step in range(steps):
        watch.step(AnimateProgress("denoise", step, steps, fraction=step / steps), after_s=0.1)
        info.append(len(watch.written))
    in_a_minute, in_half_an_hour, in_an_hour = info[599], info[17_999], info[-1]
    assert 200 <= in_a_minute <= 300
    assert in_half_an_hour <= 1300
    assert in_an_hour - in_half_an_hour == pytest.approx(300 * math.log(2), rel=0.05)


def test_eta_extrapolates_the_average_speed() -> None:
    watch = TimedWriter()
    watch.step(AnimateProgress("denoise", 0, 20, fraction=0.0))
    watch.step(AnimateProgress("denoise", 5, 20, fraction=0.25), after_s=10.0)
    assert [progress.eta_s for progress in watch.written] == [None, pytest.approx(30.0)]
