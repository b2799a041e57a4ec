"""Build the views of jobs and deliveries, which callers see, from the records in the stores."""

from __future__ import annotations

from service.contract.delivery_views import AttemptView, DeliveryView
from service.contract.job import JobRecord, Output, ProgressView, moment, optional_moment
from service.contract.states import JobState
from service.contract.views import Eta, JobView, Links, Timings
from service.contract.webhooks import Attempt, Delivery
from service.stores.job_store.snapshots import JobSnapshot
from service.views.eta import estimate


def view(
    record: JobRecord,
    position: int | None = None,
    eta: Eta | None = None,
    *,
    show_caller: bool = False,
    base_url: str = "",
) -> JobView:
    """Return the view of a record.

    Args:
        base_url: URL of the service, without a slash at the end; links are paths if it is empty.
    """
    return JobView(
        id=record.id,
        version=record.version,
        kind=record.kind,
        caller=record.caller if show_caller else None,
        status=record.state,
        stage=_stage(record),
        progress=_progress(record),
        queue_position=position,
        eta=eta,
        attempts=record.attempts,
        timings=_timings(record),
        created_at=moment(record.created_ms),
        started_at=optional_moment(record.started_ms),
        ended_at=optional_moment(record.ended_ms),
        expires_at=optional_moment(record.expires_ms),
        cancel_requested=record.cancel_requested,
        params=record.params,
        options=record.options,
        warnings=record.warnings,
        error=record.error,
        review=record.review,
        links=_links(record, base_url),
    )


def view_snapshot(
    snapshot: JobSnapshot, *, show_caller: bool = False, base_url: str = ""
) -> JobView:
    """Return the view of a job with its queue position and its estimate; see `view`."""
    return view(
        snapshot.record,
        snapshot.position,
        estimate(snapshot),
        show_caller=show_caller,
        base_url=base_url,
    )


def _timings(record: JobRecord) -> Timings:
    return Timings(
        waited_s=record.waited_ms / 1000,
        prepare_s=record.prepare_ms / 1000,
        render_s=record.render_ms / 1000,
        stages={stage: round(seconds, 3) for stage, seconds in record.seconds.items()},
    )


def _stage(record: JobRecord) -> str:
    if record.state.is_leased and record.progress is not None:
        return record.progress.stage
    return record.queue.value


def _progress(record: JobRecord) -> ProgressView:
    progress = record.progress or ProgressView(step=0, steps=0, fraction=0.0)
    if record.state is JobState.SUCCEEDED:
        return progress.model_copy(update={"fraction": 1.0, "eta_s": None})
    is_estimated = record.state.is_leased and progress.eta_s  # 0 at the end of a stage
    return progress if is_estimated else progress.model_copy(update={"eta_s": None})


def _links(record: JobRecord, base_url: str) -> Links:
    here = f"{base_url}/jobs/{record.id}"
    results = {output.value: f"{here}/{output}" for output in Output if output in record.outputs}
    preview = f"{here}/previews/{record.preview_count}" if record.preview_count else None
    return Links(
        self=here, cancel=f"{here}/cancel", events=f"{here}/events", preview=preview, **results
    )


def view_delivery(delivery: Delivery) -> DeliveryView:
    """Return the view of a delivery."""
    return DeliveryView(
        n=delivery.n,
        id=delivery.id,
        event=delivery.event,
        url=delivery.url,
        status=delivery.state,
        created_at=moment(delivery.created_ms),
        next_attempt_at=optional_moment(delivery.due_ms),
        attempts=[_attempt(attempt) for attempt in delivery.attempts],
    )


def _attempt(attempt: Attempt) -> AttemptView:
    at, took_s = moment(attempt.at_ms), attempt.took_ms / 1000
    return AttemptView(at=at, took_s=took_s, status=attempt.status, error=attempt.error)
