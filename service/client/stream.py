"""A job's events as a client reads them, over as many connections as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
from pydantic import ValidationError

from service.client.retries import Outcome, Patience, Retries
from service.contract.events import EventKind
from service.contract.views import JobView
from service.errors import UnreachableError

MEDIA_TYPE = "text/event-stream"
# The service says every 15 s that it is there; a stream that is silent for three times that is
# lost, even if the connection seems to live on.
TIMEOUT = httpx.Timeout(45.0, connect=5.0)


class Event(NamedTuple):
    """A change of a job.

    Attributes:
        id: its number, from 1 on; the job's `version` then.
        kind: what changed.
        job: the job as a poll would have shown it at that moment.
    """

    id: int
    kind: EventKind
    job: JobView


class Following:
    """Where a reader of events stands; it neither sends nor waits, its client does.

    Args:
        seen: id of the last event that is known; 0 for none.
        base: where the service should be.

    Attributes:
        ended: there are no more events.
    """

    def __init__(self, job_id: str, seen: int, retries: Retries, base: httpx.URL) -> None:
        self.ended = False
        self._path = f"/jobs/{job_id}/events"
        self._seen = seen
        self._retries = retries
        self._patience = Patience(retries, base)
        self._rest = b""

    def request(self) -> dict[str, Any]:
        """The next connection, as keywords of httpx."""
        headers = {"Accept": MEDIA_TYPE, "Last-Event-ID": str(self._seen)}
        return {"method": "GET", "url": self._path, "headers": headers, "timeout": TIMEOUT}

    def opens(self, answer: httpx.Response) -> bool:
        """Whether the answer brings events.

        Raises:
            UnreachableError: something else answers there.
        """
        self._rest = b""
        self.ended = answer.status_code == httpx.codes.NO_CONTENT
        if answer.is_error or self.ended:
            return False
        if not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
            raise UnreachableError(f"what answers at {answer.url} sends no events")
        return True

    def read(self, chunk: bytes) -> Iterator[Event | None]:
        """The events that the next bytes complete; None for a sign of life.

        Raises:
            UnreachableError: they are none of this service's.
        """
        # The service ends each line with one LF. Text of an event may hold other separators.
        *frames, self._rest = (self._rest + chunk).split(b"\n\n")
        for frame in frames:
            if frame.startswith(b":"):
                self._patience.renew(self._retries.reconnects)
                yield None
            elif b"\ndata: " in frame:
                yield from self._new(_event(frame))

    def pause_s(self, outcome: Outcome) -> float:
        """Seconds to wait before the next connection; see `Patience`."""
        return self._patience.pause_s(outcome)

    def _new(self, event: Event) -> Iterator[Event]:
        self._patience.renew(self._retries.reconnects)
        if event.id > self._seen:
            self._seen = event.id
            self.ended = event.job.status.is_terminal
            yield event


def _event(frame: bytes) -> Event:
    fields = dict(line.partition(b": ")[::2] for line in frame.split(b"\n"))
    try:
        return Event(
            int(fields[b"id"]),
            EventKind(fields[b"event"].decode()),
            JobView.model_validate_json(fields[b"data"]),
        )
    except (KeyError, ValueError, ValidationError) as error:
        raise UnreachableError(f"this is no event of tcan: {error}") from error
