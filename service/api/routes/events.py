"""GET /jobs/{id}/events: changes of a job as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field, WithJsonSchema

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.api.stream_slots import SlotStreamingResponse, stream_slot
from service.auth.authenticator import presented_credentials
from service.auth.stream_revocation import StreamPermit
from service.contract.errors import ErrorCode
from service.contract.events import EventKind
from service.contract.examples import JOB
from service.errors import UnavailableError
from service.events.hub import EventHub
from service.stores.job_store.snapshots import JobSnapshot

router = APIRouter(tags=["jobs"])
logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"
# Reconnection delay of browsers.
RETRY = b"retry: 1000\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

EXAMPLE = {"id": str(JOB["version"]), "event": "progress", "data": json.dumps(JOB)}
EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"type": "string", "enum": [kind.value for kind in EventKind]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobView"},
        },
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events. `data` is the job as GET /jobs/{id} showed it at that moment; `id` "
        f"is its `version`; `event` is {', '.join(f'`{kind}`' for kind in EventKind)}.",
        # The schema is that of each event; OpenAPI 3.2 has `itemSchema` for it, 3.1 nothing else.
        "content": {MEDIA_TYPE: {"schema": EVENT, "example": EXAMPLE}},
    },
    204: {"description": "The job has ended and there are no more events; do not reconnect."},
    **problem_responses(
        ErrorCode.JOB_NOT_FOUND,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.TOO_MANY_STREAMS,
        ErrorCode.UNAVAILABLE,
    ),
}

OpenPermit = Callable[[Callable[[], None]], AbstractContextManager[StreamPermit]]

MAX_VERSION = 2**53


def _require_version(value: object) -> object:
    if isinstance(value, str) and not value.isdecimal():
        raise ValueError(
            f"must be the `id` of an event, a whole number such as 12, got {value!r}; leave it "
            f"out to start at the beginning"
        )
    return value


# Optional, but never null in the schema: a header is present or absent.
OptionalVersion = Annotated[
    int | None,
    Field(ge=0, le=MAX_VERSION),
    BeforeValidator(_require_version),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MAX_VERSION}),
]
Version = Annotated[
    OptionalVersion, Query(description="Start after this `version`; 0 is the beginning.")
]
LastEventId = Annotated[
    OptionalVersion, Header(description="The last `id` received; overrides `after`.")
]


@router.get(
    "/jobs/{job_id}/events",
    summary="Stream a job's events",
    response_class=StreamingResponse,
    responses=RESPONSES,
)
async def get_events(
    request: Request,
    job_id: str,
    caller: CallerDep,
    gateway: GatewayDep,
    after: Version = None,
    last_event_id: LastEventId = None,
) -> Response:
    """Stream every change of the job from its beginning, or after the last event received.

    While the job waits, events of kind `queue` say when its place has moved. They have the `id` of
    the event before, so that a reconnection is not affected by them.

    The stream ends after the event of a terminal state, or when the caller's key is revoked or its
    session ends. A
    reconnection with `Last-Event-ID` repeats no event and misses none, unless 10,000 newer ones
    came meanwhile or the job ended 15 minutes ago: then only changes of its state are kept, the
    last 100, so ids skip numbers. A comment is sent every 15 s without events.
    """
    snapshot = await gateway.read(job_id, caller)
    newest = snapshot.record.version
    seen = min(last_event_id if last_event_id is not None else after or 0, newest)
    if snapshot.record.state.is_terminal and seen == newest:
        return Response(status_code=204)
    open_permit = partial(gateway.revoker.permit, presented_credentials(request.headers))
    stream = read_events(gateway.events, open_permit, snapshot, seen)
    return SlotStreamingResponse(stream, stream_slot(request, caller), MEDIA_TYPE, HEADERS)


async def read_events(
    hub: EventHub,
    open_permit: OpenPermit,
    snapshot: JobSnapshot,
    seen: int,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[bytes]:
    """Yield the frames after version `seen` until the job or the gateway ends, or on revocation."""
    yield RETRY
    try:
        async with hub.watch(snapshot) as feed:
            position = await feed.position_at(seen) if seen and feed.position is not None else None
            with open_permit(feed.wake) as permit:
                while not (hub.closing or permit.is_revoked()):
                    frames = await feed.after(seen)
                    for frame in frames:
                        if permit.is_revoked():
                            return
                        yield frame.text
                        seen, position = frame.version, frame.position
                        if frame.last:
                            return
                    if not frames and seen < feed.newest:
                        return  # the job was erased
                    place = feed.place
                    if not frames and place is not None and place.position != position:
                        yield place.text
                        position = place.position
                    elif not frames and not await feed.changed(heartbeat_s):
                        yield HEARTBEAT
    except UnavailableError as error:
        # The response has started; ending it makes the client reconnect with its last id.
        logger.warning("job %s: could not continue an event stream: %s", snapshot.record.id, error)
