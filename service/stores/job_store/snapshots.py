"""Replies of the scripts about jobs and leases, and their parsers."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, NamedTuple

from service.contract.job import JobRecord
from service.contract.params import JobParams
from service.contract.version import without_former_defaults
from service.stores.job_store.outputs import read_outputs, unpack_review

JSON_FIELDS = (
    *("params", "given", "options", "inputs", "progress", "outputs", "later_outputs", "review"),
    *("warnings", "seconds", "previews", "checkpoint", "error"),
)


class LeaseStatus(StrEnum):
    """State of a worker's lease, returned by each write under it.

    A write that ends a stage may be repeated when its reply was lost: the status is the same again.
    """

    HELD = "held"
    CANCEL = "cancel"
    """Still held; the caller asked to cancel."""
    LOST = "lost"
    """Another worker may have the job: nothing was written."""


class QueueContext(NamedTuple):
    """Load of the queues and workers that a waiting job depends on.

    Attributes:
        workers: ready workers; of the job's remaining queues the one with the fewest counts.
        waiting_next: jobs waiting in the job's next queue; they go first.
        leased: jobs that workers have now.
    """

    workers: int
    waiting_next: int
    leased: int


class Forecast(NamedTuple):
    """Durations expected from past jobs of the same kind, in seconds of work.

    Attributes:
        expected_s: duration of this job, by its size.
        mean_s: mean duration of the jobs before it, or of any job if there are none.
        error: mean relative error of past estimates; None if there are none.
        estimates: number of past estimates.
        queue_context: None if the job does not wait.
    """

    expected_s: float
    mean_s: float
    error: float | None
    estimates: int
    queue_context: QueueContext | None = None


class JobSnapshot(NamedTuple):
    """A job at one moment.

    Attributes:
        position: number of jobs that workers run before it, None if it does not wait.
        now_ms: the moment, by the server's clock.
        forecast: None before a job of its kind has ended.
    """

    record: JobRecord
    position: int | None
    now_ms: int
    forecast: Forecast | None


def parse_record(pairs: list[str]) -> JobRecord:
    """Parse a record: its names and values in turn."""
    fields: dict[str, Any] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    for name in JSON_FIELDS:
        if name in fields:
            fields[name] = json.loads(fields[name])
    if "params" in fields:
        given = fields.get("given", [])
        fields["params"] = without_former_defaults(JobParams, fields["params"], given)
    # A later release may have written it, so unknown fields and outputs are ignored. In requests
    # they are errors.
    fields["outputs"] = read_outputs(fields)
    if "review" in fields:
        fields["review"] = unpack_review(fields["review"])
    return JobRecord.model_validate(fields, extra="ignore")


def parse_optional_record(pairs: list[str]) -> JobRecord | None:
    """Parse a record; None if the job does not exist."""
    return parse_record(pairs) if pairs else None


def parse_snapshot(reply: tuple[list[str], int, int, list[str]]) -> JobSnapshot:
    """Parse the result of `snapshot` in the scripts."""
    pairs, position, now_ms, texts = reply
    forecast = None
    if texts:
        expected_ms, mean_ms = float(texts[0]), float(texts[1])
        error = float(texts[2]) if texts[2] else None
        context = QueueContext(*map(int, texts[4:])) if len(texts) > 4 else None
        forecast = Forecast(expected_ms / 1000, mean_ms / 1000, error, int(texts[3]), context)
    return JobSnapshot(parse_record(pairs), None if position < 0 else position, now_ms, forecast)


def parse_optional_snapshot(reply: tuple[list[str], int, int, list[str]]) -> JobSnapshot | None:
    """Parse the result of `snapshot`; None if the job does not exist."""
    return parse_snapshot(reply) if reply[0] else None
