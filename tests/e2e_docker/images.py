"""Building and checking the images."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e_docker.bases import Bases, local_wheels
from tests.e2e_docker.engine import EngineError, call, docker, image_bytes

MB = 1_000_000
MODEL_LIBRARIES = ("torch", "diffusers", "transformers", "tcan_core", "worker")
# Largest size of the gateway's image above its base.
GATEWAY_MB = 300


@dataclass(frozen=True)
class Images:
    """Names of the two images."""

    gateway: str
    worker: str


def images_of(tag: str) -> Images:
    """Return the names of both images for a tag."""
    return Images(f"tcan-gateway:{tag}", f"tcan-worker:{tag}")


def build(
    root: Path, images: Images, bases: Bases, version: str, *, offline: bool
) -> dict[str, float]:
    """Build both images; return the build time of each in seconds.

    Args:
        offline: no registry is reachable; use local wheels of torch, if any.
    """
    revision = call(["git", "-C", str(root), "rev-parse", "HEAD"])
    arguments = {
        "BASE_IMAGE": bases.run,
        "BUILD_IMAGE": bases.build,
        "VERSION": version,
        "REVISION": revision,
        "DEVICE": "cpu",
    }
    if offline and local_wheels():
        arguments["CPU_INDEX"] = ""
    times_s = {}
    for name, file in (("gateway", images.gateway), ("worker", images.worker)):
        used = {key: value for key, value in arguments.items() if name == "worker" or key in SHARED}
        words = [word for pair in used.items() for word in ("--build-arg", "=".join(pair))]
        recipe = root / "deploy/docker" / f"{name}.Dockerfile"
        began_s = time.monotonic()
        docker(
            "build", "--network", "host", *words, "--file", str(recipe), "--tag", file, str(root)
        )
        times_s[name] = time.monotonic() - began_s
    return times_s


SHARED = ("BASE_IMAGE", "BUILD_IMAGE", "VERSION", "REVISION")


def added_mb(image: str, base: str) -> float:
    """Return the size of an image above its base, in MB."""
    return (image_bytes(image) - image_bytes(base)) / MB


def detector_in(image: str) -> str:
    """Check that MoveNet runs and DWPose's library is there; return the name of `auto`."""
    code = "import numpy as np, rtmlib; from tcan_core.conditioning.detectors import build_detector"
    code += "; detector = build_detector('auto'); detector.detect(np.zeros((1, 9, 9, 3), np.uint8))"
    code += "; print(detector.name)"
    return docker("run", "--rm", "--read-only", "--entrypoint", "python", image, "-c", code)


def importable(image: str, names: tuple[str, ...] = MODEL_LIBRARIES) -> list[str]:
    """Return the module names that Python finds in the image."""
    code = "import json, sys; from importlib.util import find_spec"
    code += "; print(json.dumps([n for n in sys.argv[1:] if find_spec(n)]))"
    output = docker("run", "--rm", "--entrypoint", "python", image, "-c", code, *names)
    return [str(name) for name in json.loads(output)]


def start_as_unknown_uid(image: str, uid: int) -> str:
    """Run `tcan --version` as an unknown uid, read-only and without capabilities."""
    restricted = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    restricted += ["--user", f"{uid}:{uid}", "--tmpfs", "/tmp", "--network", "none"]
    return docker("run", "--rm", *restricted, image, "--version")


def any_uid() -> int:
    """Return a random uid without an account."""
    return random.SystemRandom().randrange(100_000, 1_000_000)


def check(images: Images, bases: Bases, uid: int) -> dict[str, object]:
    """Check both images and return what was measured. Raises EngineError if a check fails."""
    gateway_mb = added_mb(images.gateway, bases.run)
    model_libraries = importable(images.gateway)
    if model_libraries:
        raise EngineError(f"the gateway's image contains {', '.join(model_libraries)}")
    if gateway_mb > GATEWAY_MB:
        raise EngineError(f"the gateway adds {gateway_mb:.0f} MB to its base; limit {GATEWAY_MB}")
    return {
        "gateway above its base, MB": round(gateway_mb),
        "worker (cpu) above its base, MB": round(added_mb(images.worker, bases.run)),
        "model libraries in the gateway": len(model_libraries),
        "gateway as a random uid, read-only": start_as_unknown_uid(images.gateway, uid),
        "worker as a random uid, read-only": start_as_unknown_uid(images.worker, uid),
        "detector of real people in the worker": detector_in(images.worker),
    }
