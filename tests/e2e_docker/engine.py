"""Docker and Compose, as commands."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A build from nothing fetches torch and unpacks it.
PATIENCE_S = 1800.0


class EngineError(RuntimeError):
    """A command of Docker's failed; the message has its last lines."""


def call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises EngineError."""
    done = subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    if done.returncode:
        words = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise EngineError(f"{' '.join(command)} ended with {done.returncode}:\n{words}")
    return done.stdout.strip()


def works(command: Sequence[str]) -> bool:
    """Return whether a command can be run and ends well."""
    try:
        call(command)
    except (EngineError, FileNotFoundError):
        return False
    return True


def docker(*arguments: str) -> str:
    """What `docker` prints. Raises EngineError."""
    return call(["docker", *arguments])


def has_image(name: str) -> bool:
    """Return whether the engine has it."""
    return works(["docker", "image", "inspect", name])


def image_bytes(name: str) -> int:
    """The size of an image, its base included."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", name))


def compose_command() -> list[str]:
    """Compose v2 where it is, else docker-compose. Raises EngineError."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if works([*command, "version"]):
            return command
    raise EngineError("there is neither `docker compose` nor `docker-compose`")


@dataclass
class Compose:
    """One project of the compose file at the root.

    Attributes:
        environment: the variables that `.env` would hold.
        env_file: an empty file in the place of .env: a developer's own settings are not for this.
    """

    root: Path
    project: str
    environment: dict[str, str]
    env_file: Path
    command: list[str] = field(default_factory=compose_command)

    def run(self, *arguments: str) -> str:
        """What Compose prints. Raises EngineError."""
        options = ["--project-name", self.project, "--project-directory", str(self.root)]
        options += [
            "--file",
            str(self.root / "docker-compose.yml"),
            "--env-file",
            str(self.env_file),
        ]
        return call([*self.command, *options, "--profile", "cpu", *arguments], self.environment)

    def containers(self, service: str | None = None, *, all_states: bool = False) -> list[str]:
        """Ids of the project's containers."""
        return self.listed("container", service, ["--all"] if all_states else [])

    def listed(self, kind: str, service: str | None = None, more: Sequence[str] = ()) -> list[str]:
        """Ids of the project's containers, networks or volumes."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [] if service is None else [f"label=com.docker.compose.service={service}"]
        filters = [word for label in labels for word in ("--filter", label)]
        return docker(kind, "ls", "--quiet", *more, *filters).split()
