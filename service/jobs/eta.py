"""When a job should end, and how far such estimates were off."""

from __future__ import annotations

from service.contract.job import JobRecord
from service.contract.views import Eta
from service.stores.job_store.commands import Crowd, Forecast, Placed

# Below this fraction of a stage its pace says little.
LEAST_FRACTION = 0.02


def estimate(placed: Placed) -> Eta | None:
    """The estimate for a job that has not ended; None while nothing is known.

    A job at work is judged by its own pace, one that waits by past jobs: a usual job's time for
    each one before it, shared among the workers that live. Without a worker nothing is known.
    """
    record, forecast = placed.record, placed.forecast
    if record.state.is_terminal:
        return None
    seconds = _at_work_s(record, placed.now_ms)
    if seconds is None and forecast is not None:
        seconds = _waiting_s(placed, forecast)
    if seconds is None:
        return None
    error = forecast.error if forecast else None
    return Eta(
        seconds=round(max(0.0, seconds), 1),
        relative_error=None if error is None else round(error, 3),
        estimates=forecast.estimates if forecast else 0,
    )


def _at_work_s(record: JobRecord, now_ms: int) -> float | None:
    if record.taken_ms is None or record.progress is None:
        return None
    done = record.progress.fraction - record.queue.begins_at
    if done < LEAST_FRACTION:
        return None
    return (now_ms - record.taken_ms) / 1000 * (1 - record.progress.fraction) / done


def _waiting_s(placed: Placed, forecast: Forecast) -> float | None:
    worked_s = (placed.record.prepare_ms + placed.record.render_ms) / 1000
    own_s = max(0.0, forecast.own_s - worked_s)
    if placed.position is None or forecast.crowd is None:
        return own_s
    begins_s = _begins_in_s(placed.position, forecast.crowd, forecast.usual_s)
    return None if begins_s is None else begins_s + own_s


def _begins_in_s(position: int, crowd: Crowd, usual_s: float) -> float | None:
    """When a worker will be free for a job that waits; None when there is none.

    Each worker takes a usual job's time for each job, and has done half of the one that it is at.
    """
    before, at_work = position + crowd.later, min(crowd.at_work, crowd.workers)
    if crowd.workers == 0:
        return None
    if before + at_work < crowd.workers:
        return 0.0
    return (before + at_work / 2) / crowd.workers * usual_s
