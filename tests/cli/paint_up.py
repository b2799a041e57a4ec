"""`tcan up` with the painting animator in the worker: `paint_up.py DATA PORT`."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from cli.embedded.stack import Stack
from cli.up import run

WORKER = Path(__file__).resolve().parents[1] / "worker" / "paint_worker.py"


def up(data: Path, port: int) -> None:
    """Run the service until a signal comes."""
    run(Stack(data, "127.0.0.1", port, typer.echo, [sys.executable, str(WORKER)]))


if __name__ == "__main__":
    up(Path(sys.argv[1]), int(sys.argv[2]))
