"""`tcan health gateway|worker`: health checks for containers without curl.

A worker is healthy while it consumes jobs, not because its process exists: it reports that it is
ready, and that it is stalled when it ignores waiting jobs (`stall_detector`).
"""

from __future__ import annotations

import socket
from contextlib import closing
from enum import StrEnum
from typing import Annotated

import typer

from service.errors import ServiceError, UnavailableError

TIMEOUT_S = 4.0


class Probe(StrEnum):
    """Kind of health check of a worker."""

    READY = "ready"
    LIVE = "live"


class UnhealthyError(ServiceError):
    """A part of the service is not healthy."""


app = typer.Typer(help="Check whether a part of the service is healthy.", no_args_is_help=True)


@app.command("gateway")
def ask_gateway(
    url: Annotated[
        str, typer.Option(help="Address of the gateway.", envvar="TCAN_URL")
    ] = "http://127.0.0.1:8000",
) -> None:
    """Exit with 0 if the gateway responds."""
    from http.client import HTTPException
    from urllib.request import urlopen

    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} is no http or https URL", param_hint="'--url'")
    try:
        # The address is the operator's own.
        with urlopen(f"{url}/healthz", timeout=TIMEOUT_S) as response:  # nosec B310
            typer.echo(f"the gateway responds ({response.status})")
    except (OSError, HTTPException) as error:
        raise UnhealthyError(f"the gateway at {url} does not respond: {_cause(error)}") from error
    except ValueError as error:
        raise typer.BadParameter(f"{url!r} is no URL: {error}", param_hint="'--url'") from error


def _cause(error: Exception) -> object:
    """Return why there was no response, without the codes of the TLS library."""
    import ssl

    cause = getattr(error, "reason", error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not valid ({cause.verify_message})"
    if isinstance(cause, ssl.SSLError):
        return "the TLS connection failed; if it speaks no TLS there, use http:// in --url"
    return cause


@app.command("worker")
def ask_worker(
    probe: Annotated[
        Probe, typer.Option(help="live also passes when the broker is unavailable.")
    ] = Probe.READY,
    host: Annotated[
        str | None, typer.Option(help="Host of the worker. Default: this one.", show_default=False)
    ] = None,
) -> None:
    """Exit with 0 if a worker of this host is ready for jobs.

    An unavailable broker is no reason to restart workers: `--probe live` passes then.
    """
    from cli.serve import read_settings
    from service.stores.job_store import presence
    from service.stores.job_store.store import JobStore

    with closing(JobStore.connect(read_settings(None).broker_url())) as jobs:
        try:
            workers = jobs.run(presence.workers())
        except UnavailableError as error:
            if probe is Probe.READY:
                raise
            typer.echo(f"unknown: {error}")
            return
    here = host or socket.gethostname()
    # A worker's id is its host, its process id and four random digits.
    own = [worker for worker in workers if worker.id.rpartition("-")[0].rpartition("-")[0] == here]
    if not any(worker.ready for worker in own):
        states = ", ".join(f"{w.id} {'is stalled' if w.stalled else 'is loading'}" for w in own)
        raise UnhealthyError(f"no worker of {here} is ready ({states or 'none has a heartbeat'})")
    typer.echo(f"{sum(worker.ready for worker in own)} of {here} are ready")
