"""Print what the worker's image installs from PyPI, as requirements.

    python3 requirements.py pyproject.toml cpu|cuda [--alone]

The base dependencies but the client, which comes with the project's code, the detector of real
people, what sends traces, and the extra `cuda` where there is a GPU.
What is printed with `--alone` is installed without what it asks for. Standard library only: it runs
before anything is installed.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DEVICES: dict[str, tuple[str, ...]] = {
    "cpu": ("dwpose", "otel"),
    "cuda": ("dwpose", "otel", "cuda"),
}
# rtmlib asks for two OpenCV builds that want a display's libraries; the headless one serves it, and
# all else that it asks for is in the list anyway.
ALONE = "rtmlib"
OWN = "tcan-client"


def requirements(pyproject: Path, device: str, *, alone: bool = False) -> list[str]:
    """Return the requirements of a device. Raise SystemExit if there is no such device."""
    if device not in DEVICES:
        raise SystemExit(f"device {device!r}: it must be one of {', '.join(DEVICES)}")
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][extra] for extra in DEVICES[device]]
    base = [line for line in project["dependencies"] if not line.startswith(f"{OWN}==")]
    lines = [*base, *(line for extra in extras for line in extra)]
    return [line for line in lines if line.startswith(f"{ALONE}==") is alone]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2], alone="--alone" in sys.argv)))
