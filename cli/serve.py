"""`tcan gateway` and `tcan worker`: one part of the service, for deployments."""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.contract.queues import Queue
from service.errors import SettingsError
from service.settings import Settings, load_settings

Data = Annotated[
    Path | None, typer.Option(help="Folder of an embedded service. Default: TCAN_DATA or .tcan")
]
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
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

    start_logging()
    config = uvicorn.Config(
        create_app(read_settings(data)),
        host=host,
        port=port,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
    )
    uvicorn.Server(config).run(sockets=None if fd is None else [socket.socket(fileno=fd)])


def worker(
    queues: Annotated[str, typer.Option(help="The queues to serve, with commas.")] = ALL_QUEUES,
    data: Data = None,
) -> None:
    """Run a worker: it loads the model and takes jobs."""
    chosen, settings = read_queues(queues), read_settings(data)
    start_logging()

    from worker.animator import TcanAnimator
    from worker.main import run_worker

    animator = TcanAnimator(settings.preset, settings.device, settings.limits, settings.weights)
    sys.exit(run_worker(settings, animator, chosen))


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


def start_logging() -> None:
    """Log to stderr, with times."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    logging.getLogger("httpx").setLevel(logging.WARNING)
