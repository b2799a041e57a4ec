"""Traces to an OpenTelemetry collector when an endpoint is set; else nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace

from service.errors import SettingsError

FLUSH_EVERY_MS = 1000


def start_tracing(endpoint: str | None, part: str) -> Callable[[], None]:
    """Send this process's spans to `endpoint`, an OTLP receiver over HTTP.

    Args:
        endpoint: such as http://collector:4318/v1/traces; None records nothing.
        part: the process's name among the service's, such as gateway.

    Returns:
        What sends the last spans and ends it.

    Raises:
        SettingsError: the extra `otel` is not installed.
    """
    if endpoint is None:
        return lambda: None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(
            "TCAN_OTLP_ENDPOINT needs the extra 'otel': pip install 'tcan[otel]'"
        ) from error
    provider = TracerProvider(resource=Resource.create({"service.name": f"tcan-{part}"}))
    exporter = OTLPSpanExporter(endpoint=endpoint)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=FLUSH_EVERY_MS))
    trace.set_tracer_provider(provider)
    return provider.shutdown
