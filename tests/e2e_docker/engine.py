"""Run the commands of Docker and Compose."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A build without a cache downloads and unpacks torch.
TIMEOUT_S = 1800.0


class EngineError(RuntimeError):
    """Failure of a Docker command; the message has its last lines of output."""


def call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output. Raises EngineError."""
    result = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if result.returncode:
        lines = "\n".join((result.stdout + result.stderr).splitlines()[-25:])
        raise EngineError(
            f"{' '.join(command)} failed with exit code {result.returncode}:\n{lines}"
        )
    return result.stdout.strip()


def works(command: Sequence[str]) -> bool:
    """Check that a command exists and succeeds."""
    try:
        call(command)
    except (EngineError, FileNotFoundError):
        return False
    return True


def docker(*arguments: str) -> str:
    """Run `docker` and return its output. Raises EngineError."""
    return call(["docker", *arguments])


def has_image(name: str) -> bool:
    """Check whether the engine has an image."""
    return works(["docker", "image", "inspect", name])


def image_bytes(name: str) -> int:
    """Return the size of an image, including its base."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", name))


def missing_parts() -> list[str]:
    """Return what this machine lacks to run the compose file, each with what to do."""
    missing = []
    if shutil.which("docker") is None:
        missing.append("no command docker; install Docker (Debian package: docker.io)")
    elif not works(["docker", "info"]):
        missing.append("no Docker engine is running, or this user may not use it; start dockerd")
    try:
        compose_command()
    except EngineError as error:
        missing.append(f"{error}; install one (Debian package: docker-compose)")
    return missing


def compose_command() -> list[str]:
    """Return the command of Compose v2, or else docker-compose. Raises EngineError."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if works([*command, "version"]):
            return command
    raise EngineError("neither `docker compose` nor `docker-compose` is installed")


@dataclass
class Compose:
    """A project of the compose file at the root.

    Attributes:
        environment: variables in place of `.env`.
        env_file: an empty file, so that a developer's own .env is not read.
    """

    root: Path
    project: str
    environment: dict[str, str]
    env_file: Path
    command: list[str] = field(default_factory=compose_command)

    def run(self, *arguments: str) -> str:
        """Run Compose and return its output. Raises EngineError."""
        options = ["--project-name", self.project, "--project-directory", str(self.root)]
        options += [
            "--file",
            str(self.root / "docker-compose.yml"),
            "--env-file",
            str(self.env_file),
        ]
        return call([*self.command, *options, "--profile", "cpu", *arguments], self.environment)

    def containers(self, service: str | None = None, *, all_states: bool = False) -> list[str]:
        """Return the ids of the project's containers."""
        return self.ids("container", service, ["--all"] if all_states else [])

    def ids(self, kind: str, service: str | None = None, more: Sequence[str] = ()) -> list[str]:
        """Return the ids of the project's containers, networks or volumes."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [] if service is None else [f"label=com.docker.compose.service={service}"]
        filters = [word for label in labels for word in ("--filter", label)]
        return docker(kind, "ls", "--quiet", *more, *filters).split()
