"""Results of a run: waits, use and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cli.simulation.engine import Run

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Outcome:
    """Numbers of a run. Times are seconds.

    Attributes:
        wait_s: time in queues, by percentile.
        total_s: time from submission to result, by percentile.
        gpu_use: share of the GPUs' paid time in which they worked.
        gpu_hours: paid hours.
        cost_per_video_minute: cost in the scenario's currency.
        losses: number of times a job lost its GPU.
        callers_wait_s: mean wait of each caller's jobs.
    """

    jobs: int
    wait_s: dict[int, float]
    mean_wait_s: float
    worst_wait_s: float
    total_s: dict[int, float]
    gpu_use: float
    gpu_hours: float
    most_gpus: int
    cost_per_video_minute: float
    losses: int
    callers_wait_s: dict[str, float]


def outcome(run: Run) -> Outcome:
    """Summarize a finished run."""
    waits = [job.waited_s for job in run.jobs]
    totals = [job.ended_s - job.arrival.at_s for job in run.jobs]
    paid_s = sum(
        (run.now_s if math.isnan(gpu.gone_s) else gpu.gone_s) - gpu.paid_from_s for gpu in run.gpus
    )
    minutes = sum(job.arrival.frames for job in run.jobs) / run.scenario.fps / 60
    callers: dict[str, list[float]] = {}
    for job in run.jobs:
        callers.setdefault(job.arrival.caller, []).append(job.waited_s)
    return Outcome(
        jobs=len(run.jobs),
        wait_s={p: percentile(waits, p) for p in PERCENTILES},
        mean_wait_s=mean(waits),
        worst_wait_s=max(waits, default=0.0),
        total_s={p: percentile(totals, p) for p in PERCENTILES},
        gpu_use=sum(gpu.busy_s for gpu in run.gpus) / paid_s if paid_s else 0.0,
        gpu_hours=paid_s / 3600,
        most_gpus=max((gpus for _, _, gpus in run.depth), default=0),
        cost_per_video_minute=(
            paid_s / 3600 * run.scenario.price_per_gpu_hour / minutes if minutes else 0.0
        ),
        losses=sum(job.losses for job in run.jobs),
        callers_wait_s={caller: mean(times) for caller, times in sorted(callers.items())},
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 for no values."""
    return sum(values) / len(values) if values else 0.0
