"""Estimates of when a job ends, with the error of past estimates."""

from __future__ import annotations

from service.contract.job import JobRecord
from service.contract.views import Eta
from service.stores.job_store.snapshots import Forecast, JobSnapshot, QueueContext

# Below this fraction of a stage its speed is no basis for an estimate.
MIN_FRACTION = 0.02
# A job that takes longer than expected is expected to take this share of its time more.
LATE_SHARE = 0.05
# No job that has not ended is shown as if it had.
MIN_S = 0.1


def estimate(snapshot: JobSnapshot) -> Eta | None:
    """Return the estimate for a job, or None when it has ended or there is no basis for one.

    A running job is estimated from past jobs and from its own progress, which counts the more the
    further it is. A waiting job is estimated from past jobs: the time of the jobs before it, shared
    among the live workers, and its own. Without a worker there is no estimate.
    """
    record, forecast = snapshot.record, snapshot.forecast
    if record.state.is_terminal:
        return None
    if record.taken_ms is not None:
        seconds = _running_s(record, (snapshot.now_ms - record.taken_ms) / 1000, forecast)
    else:
        seconds = None if forecast is None else _waiting_s(snapshot, forecast)
    if seconds is None:
        return None
    error = forecast.error if forecast else None
    return Eta(
        seconds=max(MIN_S, round(seconds, 1)),
        relative_error=None if error is None else round(error, 3),
        estimates=forecast.estimates if forecast else 0,
    )


def _running_s(record: JobRecord, elapsed_s: float, forecast: Forecast | None) -> float | None:
    """Return the mean of both estimates, weighted by the completed fraction of the stage."""
    expected_s = None
    if forecast is not None:
        worked_s = _worked_s(record) + elapsed_s
        expected_s = max(forecast.expected_s - worked_s, LATE_SHARE * worked_s)
    fraction = 0.0 if record.progress is None else record.progress.fraction
    done = fraction - record.queue.begins_at
    if done < MIN_FRACTION:
        return expected_s
    own_s = elapsed_s * (1 - fraction) / done
    return own_s if expected_s is None else done * own_s + (1 - done) * expected_s


def _waiting_s(snapshot: JobSnapshot, forecast: Forecast) -> float | None:
    expected_s = max(0.0, forecast.expected_s - _worked_s(snapshot.record))
    if snapshot.position is None or forecast.queue_context is None:
        return expected_s
    starts_in_s = _starts_in_s(snapshot.position, forecast.queue_context, forecast.mean_s)
    return None if starts_in_s is None else starts_in_s + expected_s


def _worked_s(record: JobRecord) -> float:
    """Return the time of ended leases."""
    return (record.prepare_ms + record.render_ms) / 1000


def _starts_in_s(position: int, context: QueueContext, mean_s: float) -> float | None:
    """Return the seconds until a worker starts a waiting job; None without workers.

    Each worker spends the same time on each job, and has done half of its current one.
    """
    before, at_work = position + context.waiting_next, min(context.leased, context.workers)
    if context.workers == 0:
        return None
    if before + at_work < context.workers:
        return 0.0
    return (before + at_work / 2) / context.workers * mean_s
