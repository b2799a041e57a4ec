"""Progress of a job, from the progress of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from service.contract.job import Progress
from service.contract.queues import Queue
from tcan_core.progress import AnimateProgress, Stage

# The part of the whole job that each stage covers. Denoising takes nearly all of the time.
SHARES: dict[Stage, tuple[float, float]] = {
    "prepare": (Queue.PREPARE.begins_at, Queue.RENDER.begins_at),
    "encode": (Queue.RENDER.begins_at, 0.08),
    "denoise": (0.08, 0.95),
    "decode": (0.95, 1.0),
}

# Minimum pause between two writes, as a share of the time that has passed.
MIN_PAUSE_SHARE = 1 / 300


def job_progress(now: AnimateProgress, eta_s: float | None = None) -> Progress:
    """Return the progress of the whole job."""
    first, last = SHARES[now.stage]
    return Progress(
        stage=now.stage,
        step=now.step,
        steps=now.steps,
        fraction=round(first + (last - first) * now.fraction, 4),
        eta_s=eta_s,
    )


@dataclass
class ProgressWriter:
    """Writes progress less often the longer the work lasts, and always at the ends of a stage.

    Each write is an event that is kept with the job. Since the pause is a share of the time that
    has passed, their number grows with the logarithm of that time: 1,500 in an hour, 2,500 in a day
    (decision 0011).

    Args:
        write: called with the job's progress.
        interval_s: minimum time between two writes.
    """

    write: Callable[[Progress], None]
    interval_s: float = 0.2
    monotonic_s: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._created_s = self.monotonic_s()
        self._stage = ""
        self._stage_started_s = 0.0
        self._written_s = float("-inf")

    def __call__(self, now: AnimateProgress) -> None:
        """Write the progress if it is due."""
        now_s = self.monotonic_s()
        pause_s = max(self.interval_s, (now_s - self._created_s) * MIN_PAUSE_SHARE)
        if now.stage != self._stage:
            self._stage, self._stage_started_s = now.stage, now_s
        elif now_s - self._written_s < pause_s and now.fraction < 1:
            return
        self._written_s = now_s
        self.write(job_progress(now, self._eta_s(now, now_s)))

    def _eta_s(self, now: AnimateProgress, now_s: float) -> float | None:
        """Estimate the seconds until the stage ends, at its average speed so far."""
        if now.fraction <= 0:
            return None
        return round((now_s - self._stage_started_s) * (1 - now.fraction) / now.fraction, 1)
