"""`tcan gateway` and `tcan worker`: one part of the service, for deployments."""

from __future__ import annotations

import logging
import os
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from service.contract.queues import Queue
from service.errors import SettingsError
from service.settings import Settings, load_settings

Data = Annotated[
    Path | None, typer.Option(help="Folder of an embedded service. Default: TCAN_DATA or .tcan")
]
ALL_QUEUES = ",".join(Queue)
# Callers whose uploads and downloads are under way get this long to finish.
GRACE_S = 5


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(gateway)
    app.command()(worker)


def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    data: Data = None,
) -> None:
    """Run a gateway: the HTTP side of the service."""
    import uvicorn

    from service.api.app import create_app
    from service.telemetry.logs import start_logging
    from service.telemetry.tracing import start_tracing

    settings = read_settings(data)
    start_logging()
    stop_tracing = start_tracing(settings.otlp_endpoint, "gateway")
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Streams of events last as long as their jobs; a gateway that leaves ends them."""
            if hasattr(app.state, "gateway"):
                app.state.gateway.events.close_streams_soon()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=None if fd is None else [socket.socket(fileno=fd)])
    stop_tracing()


def worker(
    queues: Annotated[str, typer.Option(help="The queues to serve, with commas.")] = ALL_QUEUES,
    data: Data = None,
) -> None:
    """Run a worker: it loads the model and takes jobs."""
    chosen, settings = read_queues(queues), read_settings(data)

    from service.telemetry.logs import start_logging
    from tcan_core.pipelines.preflight import check_device
    from worker.animator import TcanAnimator
    from worker.main import run_worker

    start_logging()
    check_device(settings.device)
    animator = TcanAnimator(settings.preset, settings.device, settings.limits, settings.weights)
    code = run_worker(settings, animator, chosen)
    # All is given back. Taking the model apart takes seconds more, and where the processor is busy
    # longer than the grace that an orchestrator gives.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def read_settings(data: Path | None) -> Settings:
    """The settings of the environment, with another data folder when one is given.

    Raises:
        SettingsError: they cannot be used, or name no Redis.
    """
    settings = load_settings() if data is None else load_settings(data=data)
    settings.broker_url()
    return settings


def read_queues(text: str) -> list[Queue]:
    """The queues of a list with commas. Raises SettingsError."""
    try:
        return [Queue(name.strip()) for name in text.split(",")]
    except ValueError:
        known = ", ".join(Queue)
        raise SettingsError(f"--queues {text!r}: the queues are {known}") from None
