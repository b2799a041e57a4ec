"""`tcan up`: the embedded service in one command."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli.embedded.stack import LOOK_EVERY_S, Stack


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(up)


def up(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder of the service's data and logs.")] = Path(
        ".tcan"
    ),
) -> None:
    """Run the embedded service: broker, gateway and worker; Ctrl-C stops all of it."""
    run(Stack(data, host, port, typer.echo))


def run(stack: Stack) -> None:
    """Start the service, look after it until SIGINT, SIGTERM or SIGHUP, and stop it."""
    stopping = False

    # No threading.Event: one that is set while this thread holds its lock waits for itself.
    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with stack:
        typer.echo(f"Starting on {stack.url}; logs are in {stack.logs}")
        if stack.wait_ready(lambda: stopping):
            typer.echo(f"Ready: {stack.url} (Ctrl-C stops it)")
            if not stack.has_keys():
                typer.echo("No key: this machine alone may call; 'tcan keys create NAME' makes one")
        while not stopping:
            stack.tend()
            time.sleep(LOOK_EVERY_S)
        typer.echo("Stopping")
    typer.echo("Stopped")
