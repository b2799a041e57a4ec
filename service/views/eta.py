"""Estimates of when a job ends, with the error of past estimates."""

from __future__ import annotations

from service.contract.job import JobRecord
from service.contract.views import Eta
from service.stores.job_store.snapshots import Forecast, JobSnapshot, QueueContext

# Below this fraction of a stage its speed is no basis for an estimate.
MIN_FRACTION = 0.02


def estimate(snapshot: JobSnapshot) -> Eta | None:
    """Return the estimate for a job, or None when it has ended or there is no basis for one.

    A running job is extrapolated from its own progress. A waiting job is estimated from past jobs:
    a typical job's time for each job before it, shared among the live workers. Without a worker
    there is no estimate.
    """
    record, forecast = snapshot.record, snapshot.forecast
    if record.state.is_terminal:
        return None
    seconds = _running_s(record, snapshot.now_ms)
    if seconds is None and forecast is not None:
        seconds = _waiting_s(snapshot, forecast)
    if seconds is None:
        return None
    error = forecast.error if forecast else None
    return Eta(
        seconds=round(max(0.0, seconds), 1),
        relative_error=None if error is None else round(error, 3),
        estimates=forecast.estimates if forecast else 0,
    )


def _running_s(record: JobRecord, now_ms: int) -> float | None:
    if record.taken_ms is None or record.progress is None:
        return None
    done = record.progress.fraction - record.queue.begins_at
    if done < MIN_FRACTION:
        return None
    return (now_ms - record.taken_ms) / 1000 * (1 - record.progress.fraction) / done


def _waiting_s(snapshot: JobSnapshot, forecast: Forecast) -> float | None:
    worked_s = (snapshot.record.prepare_ms + snapshot.record.render_ms) / 1000
    expected_s = max(0.0, forecast.expected_s - worked_s)
    if snapshot.position is None or forecast.queue_context is None:
        return expected_s
    starts_in_s = _starts_in_s(snapshot.position, forecast.queue_context, forecast.mean_s)
    return None if starts_in_s is None else starts_in_s + expected_s


def _starts_in_s(position: int, context: QueueContext, mean_s: float) -> float | None:
    """Return the seconds until a worker starts a waiting job; None without workers.

    Each worker spends a typical job's time on each job, and has done half of its current one.
    """
    before, at_work = position + context.waiting_next, min(context.leased, context.workers)
    if context.workers == 0:
        return None
    if before + at_work < context.workers:
        return 0.0
    return (before + at_work / 2) / context.workers * mean_s
