"""Building the images, and what must be true of them."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from pathlib import Path

from tests.e2e_docker.bases import Bases, own_wheels
from tests.e2e_docker.engine import EngineError, call, docker, image_bytes

MB = 1_000_000
MODEL_LIBRARIES = ("torch", "diffusers", "transformers", "tcan_core", "worker")
# Heaviest allowance of the gateway over its base.
GATEWAY_MB = 300


@dataclass(frozen=True)
class Images:
    """Names of the two images."""

    gateway: str
    worker: str


def images_of(tag: str) -> Images:
    """Both, under the names that they are built with."""
    return Images(f"tcan-gateway:{tag}", f"tcan-worker:{tag}")


def build(
    root: Path, images: Images, bases: Bases, version: str, *, alone: bool
) -> dict[str, float]:
    """Build both; what each took in seconds.

    Args:
        alone: no registry can be reached; the machine's own wheels of torch are used, if any.
    """
    revision = call(["git", "-C", str(root), "rev-parse", "HEAD"])
    arguments = {
        "BASE_IMAGE": bases.run,
        "BUILD_IMAGE": bases.build,
        "VERSION": version,
        "REVISION": revision,
        "DEVICE": "cpu",
    }
    if alone and own_wheels():
        arguments["CPU_INDEX"] = ""
    took = {}
    for name, file in (("gateway", images.gateway), ("worker", images.worker)):
        known = {key: value for key, value in arguments.items() if name == "worker" or key in BOTH}
        words = [word for pair in known.items() for word in ("--build-arg", "=".join(pair))]
        recipe = root / "deploy/docker" / f"{name}.Dockerfile"
        began_s = time.monotonic()
        docker(
            "build", "--network", "host", *words, "--file", str(recipe), "--tag", file, str(root)
        )
        took[name] = time.monotonic() - began_s
    return took


BOTH = ("BASE_IMAGE", "BUILD_IMAGE", "VERSION", "REVISION")


def beyond_base_mb(image: str, base: str) -> float:
    """What an image adds to its base, in MB."""
    return (image_bytes(image) - image_bytes(base)) / MB


def detects_people(image: str) -> str:
    """The detector whose libraries the image has; weights are another matter."""
    code = "import onnxruntime, rtmlib; print('dwpose')"
    return docker("run", "--rm", "--read-only", "--entrypoint", "python", image, "-c", code)


def importable(image: str, names: tuple[str, ...] = MODEL_LIBRARIES) -> list[str]:
    """Those of the names that Python finds in the image."""
    code = "import json, sys; from importlib.util import find_spec"
    code += "; print(json.dumps([n for n in sys.argv[1:] if find_spec(n)]))"
    told = docker("run", "--rm", "--entrypoint", "python", image, "-c", code, *names)
    return [str(name) for name in json.loads(told)]


def start_as_anybody(image: str, uid: int) -> str:
    """What `tcan --version` says to a uid without a name, on a read-only root, without rights."""
    restricted = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    restricted += ["--user", f"{uid}:{uid}", "--tmpfs", "/tmp", "--network", "none"]
    return docker("run", "--rm", *restricted, image, "--version")


def any_uid() -> int:
    """A uid that nobody has a name for."""
    return random.SystemRandom().randrange(100_000, 1_000_000)


def check(images: Images, bases: Bases, uid: int) -> dict[str, object]:
    """What is found of the images. Raises EngineError when they are not as promised."""
    grown = beyond_base_mb(images.gateway, bases.run)
    heavy = importable(images.gateway)
    if heavy:
        raise EngineError(f"the gateway's image holds {', '.join(heavy)}")
    if grown > GATEWAY_MB:
        raise EngineError(f"the gateway adds {grown:.0f} MB to its base, more than {GATEWAY_MB}")
    return {
        "gateway beyond its base, MB": round(grown),
        "worker (cpu) beyond its base, MB": round(beyond_base_mb(images.worker, bases.run)),
        "of torch, diffusers, transformers, tcan_core, worker in the gateway": len(heavy),
        "gateway as a random uid, read-only": start_as_anybody(images.gateway, uid),
        "worker as a random uid, read-only": start_as_anybody(images.worker, uid),
        "detector of real people that the worker has": detects_people(images.worker),
    }
