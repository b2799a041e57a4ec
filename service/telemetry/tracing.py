"""Traces, sent to an OpenTelemetry collector if an endpoint is set."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace

from service.errors import SettingsError

FLUSH_EVERY_MS = 1000


def start_tracing(endpoint: str | None, part: str) -> Callable[[], None]:
    """Send this process's spans to `endpoint`, an OTLP receiver over HTTP.

    Args:
        endpoint: URL such as http://collector:4318/v1/traces; None disables tracing.
        part: name of this part of the service, for example gateway.

    Returns:
        A function that sends the last spans and stops tracing.

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
