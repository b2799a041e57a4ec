"""The gateway's ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware

from service.api.middleware.body_limit import BodyLimitMiddleware
from service.api.middleware.head import HeadMiddleware
from service.api.middleware.security_headers import SecurityHeadersMiddleware
from service.api.middleware.telemetry import TelemetryMiddleware
from service.api.openapi import docs_pages
from service.api.openapi.schema import openapi
from service.api.problems import add_handlers
from service.api.query_parameters import reject_unexpected_parameters
from service.api.routes import (
    deliveries,
    estimates,
    events,
    health,
    jobs,
    logs,
    metrics,
    models,
    results,
    session,
    studio,
    submit,
    uploads,
    usage,
)
from service.api.server.connections import Connections
from service.api.stream_slots import StreamSlots
from service.gateway import open_gateway, read_config
from service.settings import Settings, load_settings
from service.stores.job_store.store import Clock
from service.stores.object_store.gateway_forms import UPLOAD_ROUTE
from service.telemetry.metrics import GatewayMetrics

# Headers of cross-origin requests that a page may set, and those of answers that it may read.
METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Idempotency-Key",
    "Last-Event-ID",
    "Prefer",
    "Range",
    "Traceparent",
    "X-API-Key",
    "X-Request-ID",
)
RESPONSE_HEADERS = (
    "Content-Disposition",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)

ROUTE_MODULES = (
    submit,
    uploads,
    jobs,
    estimates,
    events,
    logs,
    results,
    deliveries,
    models,
    usage,
    session,
    studio,
    health,
    metrics,
    docs_pages,
)


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> FastAPI:
    """Return the app for these settings, or for those of the environment.

    Connections are opened when the app starts; see `service.gateway.open_gateway`.

    Raises:
        SettingsError: a setting is invalid.
    """
    settings = settings if settings is not None else load_settings()
    config = read_config(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_gateway(settings, config, clock) as gateway:
            app.state.gateway = gateway
            yield

    app = FastAPI(
        title="TCAN",
        summary="Animate a character's image with the motion of a driving video",
        version=version("tcan"),
        lifespan=lifespan,
        servers=[{"url": settings.public_url or "/"}],
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # see `service.api.problems`
        dependencies=[Depends(reject_unexpected_parameters)],
        generate_unique_id_function=lambda route: route.name,
    )
    for module in ROUTE_MODULES:
        app.include_router(module.router)
    routes = [route for module in ROUTE_MODULES for route in module.router.routes]
    app.openapi = partial(openapi, app, routes)  # type: ignore[method-assign]  # FastAPI's way to replace it
    add_handlers(app)
    own_metrics = app.state.metrics = GatewayMetrics()
    app.state.connections = Connections(settings.http, own_metrics)
    app.state.stream_slots = StreamSlots(settings.http.streams_per_caller, own_metrics)
    app.add_middleware(BodyLimitMiddleware, streamed=[*submit.STREAMED.values(), UPLOAD_ROUTE])
    app.add_middleware(TelemetryMiddleware, metrics=own_metrics)
    if settings.all_cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.all_cors_origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
        )
    app.add_middleware(HeadMiddleware)
    app.add_middleware(SecurityHeadersMiddleware)
    return app
