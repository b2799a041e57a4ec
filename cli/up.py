"""`tcan up`: the embedded service in one command."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.embedded.stack import POLL_INTERVAL_S, Stack


def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 chooses a free one.")
    ] = 8000,
    data: Annotated[Path, typer.Option(help="Folder of the service's data and logs.")] = Path(
        ".tcan"
    ),
) -> None:
    """Run the embedded service: broker, gateway and worker. Ctrl-C stops all of it."""
    run(Stack(data, host, port, typer.echo))


def run(stack: Stack) -> None:
    """Run the service until SIGINT, SIGTERM or SIGHUP, restarting parts that end."""
    is_stopping = False

    # No threading.Event: a handler that sets it may wait forever for a lock of this thread.
    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopping
        is_stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with stack:
        typer.echo(f"Starting on {stack.url}; logs are in {stack.logs}")
        if stack.wait_ready(lambda: is_stopping):
            typer.echo(f"Ready: {stack.url} (stop with Ctrl-C)")
            if not stack.has_keys():
                typer.echo(
                    "No key: only this machine may call; 'tcan keys create NAME' creates one"
                )
        while not is_stopping:
            stack.restart_ended()
            time.sleep(POLL_INTERVAL_S)
        typer.echo("Stopping")
    typer.echo("Stopped")
