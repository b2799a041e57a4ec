"""The cost of a lost worker, computed from the progress that its successor reported."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.contract.events import EventKind
from service.contract.job import JobRecord
from service.stores.job_store.events import JobEvent
from worker.outputs.progress import SHARES

# Rounding of the reported fractions (four digits), as a part of a step.
ROUNDING = 0.02


def denoised_steps(record: JobRecord) -> float:
    """Return the completed steps, with the fraction of the current one."""
    assert record.progress is not None, "a running job has no progress"
    first, last = SHARES["denoise"]
    return (record.progress.fraction - first) / (last - first) * record.progress.steps


def denoising_reports(history: Sequence[JobEvent]) -> dict[int, list[JobEvent]]:
    """Group the progress events of denoising by the worker's fencing token."""
    reports: dict[int, list[JobEvent]] = {}
    for event in history:
        record = event.snapshot.record
        # The event of a claim repeats saved progress, so only PROGRESS events count.
        if event.kind is EventKind.PROGRESS and record.progress is not None:
            if record.progress.stage == "denoise":
                reports.setdefault(record.token, []).append(event)
    return reports


def repeated_steps(history: Sequence[JobEvent]) -> int:
    """Count the steps that a worker repeated at least in part.

    The first report of each worker comes during its first step.
    """
    reached, repeated = 0.0, 0
    for reports in denoising_reports(history).values():
        steps = [denoised_steps(report.snapshot.record) for report in reports]
        began_at = math.floor(steps[0] + ROUNDING)
        repeated += max(0, math.ceil(reached - began_at - ROUNDING))
        reached = max(reached, *steps)
    return repeated


def next_step_ms(history: Sequence[JobEvent], token: int) -> int:
    """Return when a worker with a later token first reported a step of its own, or decoding."""
    for event in history:
        record = event.snapshot.record
        if event.kind is EventKind.PROGRESS and record.token > token and record.progress:
            if record.progress.stage in ("denoise", "decode"):
                return event.snapshot.now_ms
    raise AssertionError(f"no later worker made progress after the one with token {token}")


def recovered_ms(history: Sequence[JobEvent], fault_ms: int) -> int | None:
    """Return when a running job first made progress after a fault.

    Progress is an end, a hand-over, or a fraction above the saved one; a new claim does not count.
    None if the job was not running or made no progress.
    """
    before = [event.snapshot.record for event in history if event.snapshot.now_ms <= fault_ms]
    if not before or not before[-1].state.is_leased:
        return None
    queue, saved_fraction = before[-1].queue, _fraction(before[-1])
    for event in history[len(before) :]:
        record = event.snapshot.record
        if event.kind is EventKind.STATE and record.queue is queue and record.state.is_leased:
            saved_fraction = _fraction(record)
        is_beyond = event.kind is EventKind.PROGRESS and _fraction(record) > saved_fraction
        if record.state.is_terminal or record.queue is not queue or is_beyond:
            return event.snapshot.now_ms
    return None


def _fraction(record: JobRecord) -> float:
    return record.progress.fraction if record.progress else 0.0
