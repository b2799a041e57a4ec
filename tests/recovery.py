"""What a lost worker cost, by what its successor told of its own work; not by what it should do."""

from __future__ import annotations

import math
from collections.abc import Sequence

from service.contract.events import EventKind
from service.contract.job import JobRecord
from service.stores.job_store.events import JobEvent
from worker.outputs.progress import SHARES

# Fractions are told with four digits; that is less of a step.
ROUNDING = 0.02


def denoised_steps(record: JobRecord) -> float:
    """Steps that are done, with the windows of the one at work as its part."""
    assert record.progress is not None, "a job at work tells of its progress"
    first, last = SHARES["denoise"]
    return (record.progress.fraction - first) / (last - first) * record.progress.steps


def denoising(story: Sequence[JobEvent]) -> dict[int, list[JobEvent]]:
    """Reports of denoising by the token of the worker that made them."""
    found: dict[int, list[JobEvent]] = {}
    for event in story:
        record = event.snapshot.record
        # Taking a job shows the progress that was kept; that is nobody's work.
        if event.kind is EventKind.PROGRESS and record.progress is not None:
            if record.progress.stage == "denoise":
                found.setdefault(record.token, []).append(event)
    return found


def repeated_steps(story: Sequence[JobEvent]) -> int:
    """Steps of which a worker did some part that another had told of before.

    The first report of each worker comes within its first step: with a part of it done, or none.
    """
    came_to, repeated = 0.0, 0
    for reports in denoising(story).values():
        done = [denoised_steps(report.snapshot.record) for report in reports]
        began_at = math.floor(done[0] + ROUNDING)
        repeated += max(0, math.ceil(came_to - began_at - ROUNDING))
        came_to = max(came_to, *done)
    return repeated


def next_step_ms(story: Sequence[JobEvent], token: int) -> int:
    """When a worker with a later token first told of a step of its own, or of decoding."""
    for event in story:
        record = event.snapshot.record
        if event.kind is EventKind.PROGRESS and record.token > token and record.progress:
            if record.progress.stage in ("denoise", "decode"):
                return event.snapshot.now_ms
    raise AssertionError(f"no worker went on behind the one with the token {token}")


def moved_on_ms(story: Sequence[JobEvent], harmed_ms: int) -> int | None:
    """When a job that was at work moved on: ended, passed on, or beyond what was kept of it.

    Being taken once more is no step forward. None when it was not at work, or did not move on.
    """
    before = [event.snapshot.record for event in story if event.snapshot.now_ms <= harmed_ms]
    if not before or not before[-1].state.is_leased:
        return None
    queue, kept = before[-1].queue, _fraction(before[-1])
    for event in story[len(before) :]:
        record = event.snapshot.record
        if event.kind is EventKind.STATE and record.queue is queue and record.state.is_leased:
            kept = _fraction(record)
        is_beyond = event.kind is EventKind.PROGRESS and _fraction(record) > kept
        if record.state.is_terminal or record.queue is not queue or is_beyond:
            return event.snapshot.now_ms
    return None


def _fraction(record: JobRecord) -> float:
    return record.progress.fraction if record.progress else 0.0
