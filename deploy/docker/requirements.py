"""Print what the worker's image installs from PyPI, as requirements.

    python3 requirements.py pyproject.toml cpu|cuda

The base dependencies, with the extra `cuda` where there is a GPU. Standard library only: it runs
before anything is installed.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DEVICES: dict[str, tuple[str, ...]] = {"cpu": (), "cuda": ("cuda",)}


def requirements(pyproject: Path, device: str) -> list[str]:
    """The requirements of a device. Raises SystemExit when there is no such device."""
    if device not in DEVICES:
        raise SystemExit(f"device {device!r}: it must be one of {', '.join(DEVICES)}")
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][extra] for extra in DEVICES[device]]
    return [*project["dependencies"], *(line for extra in extras for line in extra)]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2])))
