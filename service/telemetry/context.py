"""The ids of the current request and job, for logs and traces.

The gateway sets the request's id for each request, and the job's id when it creates or reads a job.
The job record carries the request's id and the trace's parent to the workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.propagate import extract, inject

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
JOB_ID: ContextVar[str | None] = ContextVar("job_id", default=None)

TRACER = "tcan"


def context_fields() -> dict[str, str]:
    """Return `request_id` and `traceparent` for a new job's record, as far as known."""
    found: dict[str, str] = {}
    inject(found)
    request_id = REQUEST_ID.get()
    if request_id is not None:
        found["request_id"] = request_id
    return {name: found[name] for name in ("request_id", "traceparent") if name in found}


@contextmanager
def about_job(job_id: str) -> Iterator[None]:
    """Set a job's id for the log lines of a block outside of the job's own context."""
    job = JOB_ID.set(job_id)
    try:
        yield
    finally:
        JOB_ID.reset(job)


@contextmanager
def job_context(
    job_id: str, stage: str, request_id: str | None, traceparent: str | None
) -> Iterator[None]:
    """Set a job's ids for logs, and start a span within the request's trace."""
    job, request = JOB_ID.set(job_id), REQUEST_ID.set(request_id)
    parent = extract({"traceparent": traceparent} if traceparent else {})
    tracer = trace.get_tracer(TRACER)
    try:
        with tracer.start_as_current_span(stage, parent, attributes={"tcan.job_id": job_id}):
            yield
    finally:
        REQUEST_ID.reset(request)
        JOB_ID.reset(job)


def trace_id() -> str | None:
    """Return the current trace id, 32 hexadecimal digits; None if nothing is traced."""
    span = trace.get_current_span(otel_context.get_current()).get_span_context()
    return trace.format_trace_id(span.trace_id) if span.is_valid else None
