"""From the steps of a stage to the progress of its job."""

from __future__ import annotations

import time
from collections.abc import Callable

from service.contract.job import Progress
from service.contract.queues import Queue
from tcan_core.progress import AnimateProgress, Stage

# Where each stage lies in the fraction of the whole job. Denoising takes nearly all of the time.
SHARES: dict[Stage, tuple[float, float]] = {
    "prepare": (Queue.PREPARE.begins_at, Queue.RENDER.begins_at),
    "encode": (Queue.RENDER.begins_at, 0.08),
    "denoise": (0.08, 0.95),
    "decode": (0.95, 1.0),
}

# Of the time that has passed: what a caller waits for news of a job that takes long anyhow.
LEAST_PAUSE = 1 / 300


def progress_at(step: AnimateProgress, eta_s: float | None = None) -> Progress:
    """The progress of a job after a step of a stage."""
    first, last = SHARES[step.stage]
    return Progress(
        stage=step.stage,
        step=step.step,
        steps=step.steps,
        fraction=round(first + (last - first) * step.fraction, 4),
        eta_s=eta_s,
    )


class ProgressWriter:
    """Writes progress less often the longer the work lasts, and always the ends of a stage.

    Each write is an event that is kept with the job. A pause that is a part of the time that
    passed makes their number grow with the logarithm of that time: 1,500 in an hour, 2,500 in a
    day (decision 0011).

    Args:
        write: where progress goes.
        interval_s: the least time between two writes.
        monotonic_s: a clock that never goes back.
    """

    def __init__(
        self,
        write: Callable[[Progress], None],
        interval_s: float = 0.2,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._interval_s = interval_s
        self._monotonic_s = monotonic_s
        self._first_s = monotonic_s()
        self._stage = ""
        self._began_s = 0.0
        self._written_s = float("-inf")

    def __call__(self, step: AnimateProgress) -> None:
        """Take one step."""
        now_s = self._monotonic_s()
        if step.stage != self._stage:
            self._stage, self._began_s = step.stage, now_s
        elif now_s - self._written_s < self._pause_s(now_s) and step.fraction < 1:
            return
        self._written_s = now_s
        self._write(progress_at(step, self._eta_s(step, now_s)))

    def _pause_s(self, now_s: float) -> float:
        return max(self._interval_s, (now_s - self._first_s) * LEAST_PAUSE)

    def _eta_s(self, step: AnimateProgress, now_s: float) -> float | None:
        """Seconds until the stage ends, if it goes on as it went so far."""
        if step.fraction <= 0:
            return None
        return round((now_s - self._began_s) * (1 - step.fraction) / step.fraction, 1)
