"""Reading a job's server-sent events, with reconnects.

The parser is our own because httpx-sse drops comments, which are the keep-alives of the service.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
from pydantic import ValidationError

from tcan_client.enums import EventKind
from tcan_client.errors import UnreachableError
from tcan_client.models import Job
from tcan_client.requests import path_of
from tcan_client.retries import Retries, RetryState

MEDIA_TYPE = "text/event-stream"
# The service sends a comment every 15 s; after three times that in silence, a stream counts as lost
# even if its connection seems to be open.
TIMEOUT = httpx.Timeout(45.0, connect=5.0)


class Event(NamedTuple):
    """A change of a job.

    Attributes:
        id: the job's `version` at the change, from 1; events of kind `queue` repeat it.
        kind: what changed.
        job: the job at that moment.
    """

    id: int
    kind: EventKind
    job: Job


class EventReader:
    """Position in a job's events. It parses; the client does the input and output.

    Args:
        seen: id of the last event read; 0 for none.
        base: the service's URL, for messages.

    Attributes:
        ended: whether the last event was read.
        retry_state: counts the failed connections.
    """

    def __init__(self, job_id: str, seen: int, retries: Retries, base: httpx.URL) -> None:
        self.ended = False
        self._path = path_of("jobs", job_id, "events")
        self._seen = seen
        self._retries = retries
        self.retry_state = RetryState(retries, base)
        self._rest = b""

    def request(self) -> dict[str, Any]:
        """Return the httpx keyword arguments of the next connection."""
        headers = {"Accept": MEDIA_TYPE, "Last-Event-ID": str(self._seen)}
        return {"method": "GET", "url": self._path, "headers": headers, "timeout": TIMEOUT}

    def accept(self, response: httpx.Response) -> bool:
        """Return whether the response is an event stream.

        Raises:
            UnreachableError: the response is not from this service.
        """
        self._rest = b""
        self.ended = response.status_code == httpx.codes.NO_CONTENT
        if response.is_error or self.ended:
            return False
        if not response.headers.get("content-type", "").startswith(MEDIA_TYPE):
            raise UnreachableError(f"the server at {response.url} sends no events")
        return True

    def read(self, chunk: bytes) -> Iterator[Event | None]:
        """Yield the events that the next bytes complete, and None for each keep-alive.

        Raises:
            UnreachableError: an event is not from this service.
        """
        # The service ends each line with one LF. An event's text may contain other separators.
        *frames, self._rest = (self._rest + chunk).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b":"):
                self.retry_state.reset(self._retries.reconnects)
                yield None
            elif b"\ndata: " in frame:
                yield from self._new(_event(frame))

    def _new(self, event: Event) -> Iterator[Event]:
        self.retry_state.reset(self._retries.reconnects)
        # An event of kind `queue` has the id of the event before.
        is_place = event.kind is EventKind.QUEUE and event.id == self._seen
        if event.id > self._seen or is_place:
            self._seen = event.id
            self.ended = event.job.has_ended
            yield event


def _event(frame: bytes) -> Event:
    fields = dict(line.partition(b": ")[::2] for line in frame.split(b"\n"))
    try:
        return Event(
            int(fields[b"id"]),
            EventKind(fields[b"event"].decode()),
            Job.model_validate_json(fields[b"data"]),
        )
    except (KeyError, ValueError, ValidationError) as error:
        reason = str(error).partition("\n")[0]
        raise UnreachableError(f"not an event of tcan, or of an older one: {reason}") from error
