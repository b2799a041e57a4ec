"""GET /jobs/{id}/events: a job's changes as server-sent events."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.auth.authenticator import presented_key
from service.auth.stream_revocation import StreamPermit
from service.contract.errors import ErrorCode
from service.contract.events import EventKind
from service.contract.examples import JOB
from service.errors import UnavailableError
from service.events.hub import EventHub
from service.stores.job_store.commands import JobSnapshot

router = APIRouter(tags=["jobs"])
logger = logging.getLogger(__name__)

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0
HEARTBEAT = b": still here\n\n"
# How soon a browser comes back after its connection broke.
HELLO = b"retry: 1000\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

EXAMPLE = f"id: {JOB['version']}\nevent: progress\ndata: {json.dumps(JOB)}\n\n"
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
        "is its `version`; `event` is `state`, `progress`, `preview` or `cancel`.",
        "content": {
            # What an item of a stream is, OpenAPI says from 3.2 on; readers of 3.1 pass it over.
            MEDIA_TYPE: {"itemSchema": EVENT, "example": EXAMPLE}
        },
    },
    204: {"description": "The job has ended and its last event is known: do not come back."},
    **problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
}

OpenPermit = Callable[[Callable[[], None]], AbstractContextManager[StreamPermit]]

MAX_VERSION = 2**53
Number = Annotated[int, Field(ge=0, le=MAX_VERSION)]
# Optional, and never null: a header is there or it is not.
Version = Annotated[
    Number | SkipJsonSchema[None],
    Query(description="Begin behind this `version`; 0 is the beginning."),
]
LastEventId = Annotated[
    Number | SkipJsonSchema[None],
    Header(description="The last `id` that was seen; stronger than `after`."),
]


@router.get(
    "/jobs/{job_id}/events",
    summary="What happens to a job, as it happens",
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
    """Every change of the job from its beginning, or from behind the last event that was seen.

    The stream ends after the event of a terminal state, or with the caller's key. Nothing is
    missed over a reconnection that sends `Last-Event-ID`, unless 10,000 newer events have come
    meanwhile, and nothing comes twice. A comment comes every 15 s when nothing else does.
    """
    snapshot = await gateway.read(job_id, caller)
    newest = snapshot.record.version
    seen = min(last_event_id if last_event_id is not None else after or 0, newest)
    if snapshot.record.state.is_terminal and seen == newest:
        return Response(status_code=204)
    open_permit = partial(gateway.revoker.permit, presented_key(request.headers))
    stream = read_events(gateway.events, open_permit, snapshot, seen)
    return StreamingResponse(stream, media_type=MEDIA_TYPE, headers=HEADERS)


async def read_events(
    hub: EventHub,
    open_permit: OpenPermit,
    snapshot: JobSnapshot,
    seen: int,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[bytes]:
    """Yield the frames after version `seen` until the job or the gateway ends, or on revocation."""
    yield HELLO
    try:
        async with hub.watch(snapshot.record.id, snapshot.record.version) as feed:
            with open_permit(feed.wake) as permit:
                while not (hub.closing or permit.is_revoked()):
                    frames = await feed.after(seen)
                    for frame in frames:
                        if permit.is_revoked():
                            return
                        yield frame.text
                        seen = frame.version
                        if frame.last:
                            return
                    if not frames and seen < feed.newest:
                        return  # the job was erased meanwhile
                    if not frames and not await feed.changed(heartbeat_s):
                        yield HEARTBEAT
    except UnavailableError as error:
        # The answer has begun; its end makes the client come back with the last id that it saw.
        logger.warning("job %s: a stream of events is cut off: %s", snapshot.record.id, error)
