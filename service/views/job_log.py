"""Build a job's log from its events and its webhook messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.contract.events import EventKind
from service.contract.job import JobRecord, moment
from service.contract.log_views import LogEntry, LogKind
from service.contract.states import JobState
from service.contract.webhooks import Delivery
from service.stores.job_store.events import JobEvent


def job_log(events: Iterable[JobEvent], deliveries: Iterable[Delivery]) -> list[LogEntry]:
    """Return what a caller may know of a job's life, oldest entry first.

    Args:
        events: all events of the job, in order; the oldest ones of a very long job may be missing.
    """
    entries: list[LogEntry] = []
    before: JobRecord | None = None
    for event in events:
        record, at_ms = event.snapshot.record, event.snapshot.now_ms
        for kind, message, attempt in _changes(event, before):
            entries.append(_entry(at_ms, kind, record.state, message, attempt))
        before = record
    for delivery in deliveries:
        entries += _attempts(delivery)
    return sorted(entries, key=lambda entry: entry.at)  # stable: events keep their order


Change = tuple[LogKind, str, int | None]


def _changes(event: JobEvent, before: JobRecord | None) -> Iterator[Change]:
    """Yield what an event changed."""
    record = event.snapshot.record
    known_warnings = [] if before is None else before.warnings
    for warning in record.warnings[len(known_warnings) :]:
        yield LogKind.WARNING, warning, None
    if event.kind is EventKind.CANCEL:
        yield LogKind.CANCEL, "cancellation was requested", None
    if event.kind is EventKind.STATE:
        attempt = record.attempts if record.state.is_leased else None
        yield LogKind.STATE, _state_message(record, before), attempt
    stage = _stage(record)
    if stage is not None and (before is None or stage != _stage(before)):
        yield LogKind.STAGE, f"stage {stage} began", None


def _stage(record: JobRecord) -> str | None:
    """Return the stage that a worker is in; None before its first report."""
    if not record.state.is_leased or record.progress is None:
        return None
    stage = record.progress.stage
    return None if stage == record.queue.value and record.progress.step == 0 else stage


def _state_message(record: JobRecord, before: JobRecord | None) -> str:
    queue = record.queue.value
    if record.state is JobState.QUEUED:
        if before is None or before.queue is not record.queue:
            return f"queued for {queue}"
        if record.attempts < before.attempts:
            return f"the worker gave the job back; queued for {queue} again"
        return f"the worker was lost; queued for {queue} again"
    if record.state.is_leased:
        return f"a worker started attempt {record.attempts} of {queue}"
    if record.error is not None:
        return f"failed: {record.error.detail} ({record.error.code})"
    return record.state.value


def _attempts(delivery: Delivery) -> Iterator[LogEntry]:
    state = JobState(delivery.event.removeprefix("job."))
    for number, attempt in enumerate(delivery.attempts, 1):
        result = attempt.error if attempt.status is None else f"HTTP {attempt.status}"
        outcome = "delivered" if attempt.succeeded else "not delivered"
        message = f"webhook message {delivery.n} ({delivery.event}) {outcome}: {result}"
        yield _entry(attempt.at_ms, LogKind.DELIVERY, state, message, number)


def _entry(
    at_ms: int, kind: LogKind, state: JobState, message: str, attempt: int | None
) -> LogEntry:
    return LogEntry(at=moment(at_ms), kind=kind, status=state, message=message, attempt=attempt)
