"""Limit on the event streams and waiting requests of each caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.telemetry.metrics import GatewayMetrics

RETRY_S = 5


class StreamSlots:
    """Counts the requests of each caller that stay open.

    Args:
        limit: slots of each caller.
    """

    def __init__(self, limit: int, metrics: GatewayMetrics) -> None:
        self._limit = limit
        self._metrics = metrics
        self._used: Counter[str] = Counter()

    @contextmanager
    def hold(self, caller: Caller) -> Iterator[None]:
        """Hold a slot of the caller.

        Raises:
            RejectedError: `too_many_streams`.
        """
        if self._used[caller.id] >= self._limit:
            self._metrics.streams_refused.inc()
            raise RejectedError(
                ErrorCode.TOO_MANY_STREAMS,
                f"{self._limit} event streams and requests with 'Prefer: wait' are open, the limit "
                f"of a caller is {self._limit} (TCAN_HTTP__STREAMS_PER_CALLER); close some, or "
                f"poll GET /jobs/{{id}}",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._used[caller.id] += 1
        self._metrics.streams.inc()
        try:
            yield
        finally:
            self._metrics.streams.dec()
            self._used[caller.id] -= 1
            if not self._used[caller.id]:
                del self._used[caller.id]


def stream_slot(request: Request, caller: Caller) -> AbstractContextManager[None]:
    """Return a slot of the caller in the gateway that serves this request."""
    slots = request.app.state.stream_slots
    assert isinstance(slots, StreamSlots)
    return slots.hold(caller)


class SlotStreamingResponse(StreamingResponse):
    """A stream that holds a slot of its caller until it ends."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        slot: AbstractContextManager[None],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(content, media_type=media_type, headers=headers)
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        with self._slot:
            await super().__call__(scope, receive, send)
