"""When a job should end, and how far such estimates were off."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.contract.job import JobRecord
from service.stores.calls import Forecast, Placed

# Below this fraction of a stage its pace says little.
LEAST_FRACTION = 0.02


class Eta(BaseModel):
    """When the job should end."""

    seconds: float = Field(ge=0.0, description="From now.")
    relative_error: float | None = Field(
        None, description="Mean of |estimate - truth| / truth over past jobs; 0.1 is 10 %."
    )
    estimates: int = Field(ge=0, description="Past jobs behind `relative_error`.")


def estimate(placed: Placed) -> Eta | None:
    """The estimate for a job that has not ended; None while nothing is known.

    A job at work is judged by its own pace, one that waits by past jobs: the usual job before it
    in its queue, as if one worker served the queue.
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


def _waiting_s(placed: Placed, forecast: Forecast) -> float:
    worked_s = (placed.record.prepare_ms + placed.record.render_ms) / 1000
    before = placed.position or 0
    return before * forecast.usual_s + max(0.0, forecast.own_s - worked_s)
