"""Print what an image installs from PyPI; `make lock` adds versions, hashes and what these need.

    python3 deploy/docker/requirements.py gateway|worker-cpu|worker-cuda|build

The gateway installs a list of its own. Workers install the base dependencies but the client, which
comes with the project's code, the detector of real people, what sends traces, and the extra `cuda`
where there is a GPU. `build` is what builds the project's packages. Standard library only.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKERS: dict[str, tuple[str, ...]] = {
    "worker-cpu": ("dwpose", "otel"),
    "worker-cuda": ("dwpose", "otel", "cuda"),
}
IMAGES = ("gateway", *WORKERS, "build")
OWN = "tcan-client"


def requirements(image: str) -> list[str]:
    """Return the requirements of one of `IMAGES`. Raise SystemExit if there is no such image."""
    if image not in IMAGES:
        raise SystemExit(f"image {image!r}: it must be one of {', '.join(IMAGES)}")
    if image == "gateway":
        lines = (ROOT / "deploy/docker/gateway-requirements.txt").read_text().splitlines()
        return [line for line in lines if not line.startswith("#")]
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if image == "build":
        return list(content["build-system"]["requires"])
    project = content["project"]
    extras = [project["optional-dependencies"][extra] for extra in WORKERS[image]]
    base = [line for line in project["dependencies"] if not line.startswith(f"{OWN}==")]
    return [*base, *(line for extra in extras for line in extra)]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1])))
