"""Estimates of jobs that are not submitted yet."""

from __future__ import annotations

from typing import NamedTuple

from service.contract.job import JobKind
from service.stores.job_store.commands import Command


class JobEstimate(NamedTuple):
    """Expected work on a job, in seconds, from past jobs of its kind.

    Attributes:
        error: mean relative error of past estimates; None if there are none.
        estimates: number of past estimates.
    """

    seconds: float
    error: float | None
    estimates: int


def estimate_job(kind: JobKind, units: int) -> Command[JobEstimate | None]:
    """Estimate a job of this size; None before a job of its kind has ended.

    Args:
        units: see `work_units`.
    """
    return Command("estimate", {"kind": kind, "units": units}, _estimate)


def _estimate(reply: list[str]) -> JobEstimate | None:
    if not reply:
        return None
    ms, error, estimates = reply
    return JobEstimate(float(ms) / 1000, float(error) if error else None, int(estimates))
