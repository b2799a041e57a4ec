"""`tcan health gateway|worker`: for the health checks of containers, which have no curl.

A worker is healthy by what it consumes, not because its process exists: it says of itself that it
takes jobs, and takes that back when hints wait and it comes to none (`stall_detector`).
"""

from __future__ import annotations

import socket
from enum import StrEnum
from typing import Annotated

import typer

from service.errors import ServiceError, UnavailableError

TIMEOUT_S = 4.0


class Probe(StrEnum):
    """What is asked of a worker."""

    READY = "ready"
    LIVE = "live"


class UnhealthyError(ServiceError):
    """A part does not do its work; the message says which and why."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    health = typer.Typer(help="Ask whether a part of the service is healthy.", no_args_is_help=True)
    health.command("gateway")(ask_gateway)
    health.command("worker")(ask_worker)
    app.add_typer(health, name="health")


def ask_gateway(
    url: Annotated[
        str, typer.Option(help="Where it listens.", envvar="TCAN_URL")
    ] = "http://127.0.0.1:8000",
) -> None:
    """Exit with 0 when the gateway answers."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        # The address is the operator's own.
        with urlopen(f"{url}/healthz", timeout=TIMEOUT_S) as answer:  # nosec B310
            typer.echo(f"the gateway answers ({answer.status})")
    except (OSError, HTTPException) as error:
        raise UnhealthyError(f"the gateway at {url} does not answer: {error}") from error


def ask_worker(
    probe: Annotated[
        Probe, typer.Option(help="live passes too where the broker cannot be asked.")
    ] = Probe.READY,
    host: Annotated[
        str | None, typer.Option(help="The worker's. Default: this one.", show_default=False)
    ] = None,
) -> None:
    """Exit with 0 when a worker of this host takes jobs.

    A broker that is away is no reason to start workers again: `--probe live` then passes.
    """
    from cli.serve import read_settings
    from service.stores.job_store import presence
    from service.stores.job_store.store import JobStore

    jobs = JobStore.connect(read_settings(None).broker_url())
    try:
        found = jobs.run(presence.workers())
    except UnavailableError as error:
        if probe is Probe.READY:
            raise
        typer.echo(f"nobody can tell: {error}")
        return
    finally:
        jobs.close()
    here = host or socket.gethostname()
    # A worker's id is its host, its process and four digits that are drawn.
    own = [worker for worker in found if worker.id.rpartition("-")[0].rpartition("-")[0] == here]
    if not any(worker.ready for worker in own):
        told = ", ".join(f"{w.id} {'stalled' if w.stalled else 'loads'}" for w in own)
        raise UnhealthyError(f"no worker of {here} takes jobs ({told or 'none has a heartbeat'})")
    typer.echo(f"{sum(worker.ready for worker in own)} of {here} take jobs")
