"""The gateway: an ASGI app made by `create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.api import health, jobs, results, submit
from service.api.deps import open_gateway
from service.api.problems import add_handlers
from service.settings import Settings, load_settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The gateway for these settings, or for those of the environment.

    Nothing is opened before the app starts; see `service.api.deps.open_gateway`.
    """
    chosen = settings if settings is not None else load_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_gateway(chosen) as gateway:
            app.state.gateway = gateway
            yield

    app = FastAPI(
        title="TCAN",
        summary="Animate a character's picture with the motion of a driving video",
        version=version("tcan"),
        lifespan=lifespan,
    )
    for module in (submit, jobs, results, health):
        app.include_router(module.router)
    add_handlers(app)
    return app
