"""`tcan gateway` and `tcan worker`: single parts of the service, for deployments."""

from __future__ import annotations

import logging
import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from cli.descriptors import raise_descriptor_limit
from cli.listener import listen
from cli.private_files import PRIVATE_UMASK, make_private, make_writable
from service.contract.queues import Queue
from service.errors import SettingsError, UnavailableError, did_you_mean
from service.settings import Settings, load_settings

logger = logging.getLogger(__name__)

Data = Annotated[
    Path | None, typer.Option(help="Folder of an embedded service. Default: TCAN_DATA or .tcan")
]
ALL_QUEUES = ",".join(Queue)
# Running uploads and downloads get this long to finish.
GRACE_S = 5


def gateway(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000,
    fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    data: Data = None,
) -> None:
    """Run a gateway: the HTTP side of the service."""
    from service.api.app import create_app
    from service.api.server.server import GatewayServer
    from service.telemetry.logs import start_logging
    from service.telemetry.tracing import start_tracing

    raise_descriptor_limit()
    settings = read_settings(data)
    listener = None if fd is None else socket.socket(fileno=fd)
    if listener is None:
        listen(host, port).close()  # the server would log a port in use, and exit with 3
    address = host if listener is None else str(listener.getsockname()[0])
    start_logging(settings.log_level)
    keep_private(settings)
    check_broker(settings)
    check_anonymous_access(settings, address)
    stop_tracing = start_tracing(settings.otlp_endpoint, "gateway")
    app = create_app(settings)
    server = GatewayServer(app, GRACE_S, host=host, port=port)
    server.run(sockets=None if listener is None else [listener])
    stop_tracing()


def keep_private(settings: Settings) -> None:
    """Let other users of the machine read neither the data folder nor files made from now on.

    Raises:
        SettingsError: this user cannot create files in the spool, as when another made it.
    """
    os.umask(PRIVATE_UMASK)
    if notice := make_private(settings.data):
        logger.warning(notice)
    make_writable(settings.spool_folder)


def check_broker(settings: Settings) -> None:
    """Warn of a broker that other machines can use without authentication."""
    from service.auth.broker import unprotected_reason

    if (reason := unprotected_reason(settings.broker_url())) is not None:
        logger.warning("broker without a password: %s", reason)


def check_anonymous_access(settings: Settings, address: str) -> None:
    """Log who may call the service; refuse to listen on a network address if no API key exists.

    Raises:
        SettingsError: there is no API key, and the address is not local.
    """
    from service.auth.anonymous_access import HOW_TO, is_loopback
    from service.stores.job_store.keys import any_key
    from service.stores.job_store.store import JobStore

    with closing(JobStore.connect(settings.broker_url())) as jobs:
        try:
            has_keys = jobs.run(any_key())
        except UnavailableError:
            return  # checked again for each request
    if has_keys or settings.anonymous == "never":
        logger.info("access: callers need a key")
    elif settings.anonymous == "anywhere":
        logger.warning("access: no key exists, anyone who reaches %s may use this service", address)
    elif is_loopback(address):
        logger.info("access: no key exists, only this machine may call")
    else:
        raise SettingsError(f"no key exists, but {address} accepts other machines: {HOW_TO}")


def worker(
    queues: Annotated[str, typer.Option(help="Queues to serve, separated by commas.")] = ALL_QUEUES,
    devices: Annotated[
        str | None,
        typer.Option(
            help="torch devices that share the windows of each render, such as cuda:0,cuda:1. "
            "Default: TCAN_DEVICES, or TCAN_DEVICE."
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Run a worker; it loads the model for the queue render, a pose detector for prepare."""
    raise_descriptor_limit()
    chosen, settings = read_queues(queues), read_settings(data)
    if devices is not None:
        settings = settings.model_copy(update={"devices": devices})

    from service.telemetry.logs import start_logging
    from tcan_core.startup import fast_imports

    with fast_imports():
        from tcan_core.models.devices import check_devices
        from worker.animator import TcanAnimator
        from worker.main import run_worker, worker_name

    name = worker_name()
    start_logging(settings.log_level, name)
    keep_private(settings)
    check_broker(settings)
    # Only one process detects poses.
    shared = settings.all_devices if Queue.RENDER in chosen else (settings.device,)
    check_devices(shared)
    key = settings.watermark_key
    animator = TcanAnimator(
        settings.preset,
        shared[0],
        settings.limits,
        settings.weights,
        settings.runtime,
        settings.detector,
        None if key is None else key.get_secret_value().encode(),
        memory_limit=settings.memory_limit,
        detects=Queue.PREPARE in chosen,
        renders=Queue.RENDER in chosen,
        more_devices=shared[1:],
    )
    code = run_worker(settings, animator, chosen, name=name)
    # Everything is released by now. Destroying the model would take seconds, on a busy machine
    # longer than an orchestrator's grace period.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)


def read_settings(data: Path | None) -> Settings:
    """Return the settings of the environment, with another data folder if one is given.

    Raises:
        SettingsError: a setting is invalid, or there is no Redis address.
    """
    settings = load_settings() if data is None else load_settings(data=data)
    settings.broker_url()
    return settings


def read_queues(text: str) -> list[Queue]:
    """Return the queues of a comma-separated list. Raises SettingsError."""
    names, known = [name.strip() for name in text.split(",")], [queue.value for queue in Queue]
    for name in names:
        if name not in known:
            raise SettingsError(
                f"--queues {name!r}: unknown queue{did_you_mean(name, known)}; allowed are "
                f"{', '.join(known)}"
            )
    return [Queue(name) for name in names]
