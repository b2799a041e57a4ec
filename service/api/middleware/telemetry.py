"""Middleware: request id, trace span, log line and metrics of every request."""

from __future__ import annotations

import logging
import re
import time
from secrets import token_hex

from opentelemetry import trace
from opentelemetry.propagate import extract
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.dependencies import RESPONSE_HEADERS
from service.api.long_poll import WAITED_S
from service.telemetry.context import JOB_ID, REQUEST_ID, TRACER
from service.telemetry.metrics import GatewayMetrics

logger = logging.getLogger(__name__)

HEADER = b"x-request-id"
TRACEPARENT = b"traceparent"
VALID_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
UNKNOWN_ROUTE = "unknown"
NO_HEADERS: dict[str, str] = {}


class TelemetryMiddleware:
    """Observes requests. The id comes from the header `X-Request-Id` or is random.

    Every response has the header `X-Request-Id`.
    """

    def __init__(self, app: ASGIApp, metrics: GatewayMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        sent_id = headers.get(HEADER, b"")
        request_id = sent_id if VALID_ID.fullmatch(sent_id) else token_hex(8).encode()
        request, job = REQUEST_ID.set(request_id.decode()), JOB_ID.set(None)
        traceparent = headers.get(TRACEPARENT)
        parent = {} if traceparent is None else {"traceparent": traceparent.decode("latin-1")}
        started_s = time.perf_counter()

        async def send_observed(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = scope.get(RESPONSE_HEADERS, NO_HEADERS)
                added = [(name.lower().encode(), value.encode()) for name, value in extra.items()]
                message["headers"] = [*message.get("headers", ()), *added, (HEADER, request_id)]
                self._record(scope, int(message["status"]), time.perf_counter() - started_s)
            await send(message)

        tracer = trace.get_tracer(TRACER)
        try:
            with tracer.start_as_current_span(
                scope["method"], extract(parent), kind=trace.SpanKind.SERVER
            ):
                await self._app(scope, receive, send_observed)
        except Exception:
            self._record(scope, 500, time.perf_counter() - started_s)
            raise
        finally:
            JOB_ID.reset(job)
            REQUEST_ID.reset(request)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        method = scope["method"] if route != UNKNOWN_ROUTE else "ANY"
        # Time spent in `Prefer: wait` is not latency of the gateway.
        self._metrics.observe(method, route, status, seconds - scope.get(WAITED_S, 0.0))
        span = trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attribute("http.response.status_code", status)
        is_successful_read = method in ("GET", "HEAD") and status < 400
        level = logging.DEBUG if is_successful_read else logging.INFO
        fields = {"method": scope["method"], "route": route, "status": status}
        extra = {"fields": fields | {"seconds": round(seconds, 4)}}
        logger.log(level, "%s %s: %d", scope["method"], route, status, extra=extra)
