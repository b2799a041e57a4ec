"""`make e2e-docker`: images, the compose file and a deployment's life, in a real Docker engine.

Builds the images, runs compose with the profile `cpu` as a random uid, sends jobs from outside,
kills and drains workers in mid-job, restarts everything and finds every job and object again. It
ends by taking all of it down: containers, networks, volumes, and the images that it made.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e_docker.bases import STAND_IN, Bases, named_bases, provide
from tests.e2e_docker.engine import Compose, EngineError, docker, works
from tests.e2e_docker.images import Images, any_uid, build, check, images_of
from tests.e2e_docker.story import Story
from tests.servers import free_port
from worker.outputs.provenance.credentials import CHAIN, KEY, development_credentials
from worker.outputs.provenance.credentials import ROOT as ROOT_CERTIFICATE

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "tcan-e2e"
TAG = "e2e"


def main() -> int:
    """Do all of it and print what was seen; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e_docker", description=__doc__)
    parser.add_argument("--keep-images", action="store_true", help="for a quick second run")
    parser.add_argument("--use-images", action="store_true", help="build none; take a kept run's")
    chosen = parser.parse_args()
    if not works(["docker", "info"]):
        print("error: no Docker engine answers; start dockerd (Debian: docker.io)")
        return 1
    bases, began_s = named_bases(ROOT), time.monotonic()
    made: list[str] = []
    try:
        stand_ins = provide(bases, print)
        made += stand_ins
        seen = _run(bases, made, alone=bool(stand_ins), build_them=not chosen.use_images)
    except EngineError as error:
        print(f"error: {error}")
        return 1
    finally:
        if not chosen.keep_images:
            _remove(made)
    seen["all of it, s"] = round(time.monotonic() - began_s)
    _print(seen, stand_ins)
    return 0


def _run(bases: Bases, made: list[str], *, alone: bool, build_them: bool) -> dict[str, object]:
    images, took = images_of(TAG), dict[str, float]()
    if build_them:
        print("building the images")
        took = build(ROOT, images, bases, TAG, alone=alone)
    made += [images.gateway, images.worker]
    uid = any_uid()
    seen: dict[str, object] = {f"{name} built, s": round(took_s) for name, took_s in took.items()}
    seen |= check(images, bases, uid)
    with tempfile.TemporaryDirectory(prefix="tcan-e2e-") as folder:
        signing = Path(folder) / "signing"
        _make_certificate(signing)
        compose, url, s3 = _compose(images, bases, uid, Path(folder), signing)
        seen[f"compose ({' '.join(compose.command)})"] = compose.run("version", "--short")
        root = (signing / ROOT_CERTIFICATE).read_text()
        story = Story(compose, url, s3, root, Path(folder), print)
        try:
            story.tell()
        except EngineError:
            print(compose.run("logs", "--no-color", "--tail", "30"), flush=True)
            raise
        finally:
            compose.run("down", "--volumes", "--remove-orphans")
        return seen | story.seen | _left_behind(compose)


def _make_certificate(folder: Path) -> None:
    """As an operator's: whatever uid the containers run as can read it."""
    development_credentials(folder)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _compose(
    images: Images, bases: Bases, uid: int, folder: Path, signing: Path
) -> tuple[Compose, str, str]:
    """The project, and the addresses of gateway and object store on this machine."""
    port, s3_port = free_port(), free_port()
    s3 = f"http://127.0.0.1:{s3_port}"
    environment = {
        "TCAN_GATEWAY_IMAGE": images.gateway,
        "TCAN_WORKER_CPU_IMAGE": images.worker,
        "TCAN_VALKEY_IMAGE": bases.valkey,
        "TCAN_SEAWEEDFS_IMAGE": bases.seaweedfs,
        "TCAN_UID": str(uid),
        "TCAN_GID": str(uid),
        "TCAN_PORT": str(port),
        "TCAN_S3_PORT": str(s3_port),
        "TCAN_S3_PUBLIC_ENDPOINT_URL": s3,
        "TCAN_SIGNING": str(signing),
        "TCAN_C2PA_CERT": f"/signing/{CHAIN}",
        "TCAN_C2PA_KEY": f"/signing/{KEY}",
        **{name: secrets.token_hex(20) for name in SECRETS},
    }
    env_file = folder / "empty.env"
    env_file.touch()
    return Compose(ROOT, PROJECT, environment, env_file), f"http://127.0.0.1:{port}", s3


SECRETS = ("TCAN_REDIS_PASSWORD", "TCAN_S3_ACCESS_KEY", "TCAN_S3_SECRET_KEY", "TCAN_WEBHOOK_KEY")


def _left_behind(compose: Compose) -> dict[str, object]:
    """What the project has left; nothing, or EngineError."""
    left = {
        "containers": compose.containers(all_states=True),
        "networks": compose.listed("network"),
        "volumes": compose.listed("volume"),
    }
    if any(left.values()):
        raise EngineError(f"left behind: {left}")
    return {"containers, networks and volumes left": 0}


def _remove(images: list[str]) -> None:
    for name in reversed(images):
        _quietly(docker, "image", "rm", "--force", name)
    # Stages of our builds that have no name; another's are left alone.
    _quietly(docker, "image", "prune", "--force", "--filter", f"label={STAND_IN}")


def _quietly(action: Callable[..., str], *words: str) -> None:
    try:
        action(*words)
    except EngineError as error:
        print(f"left: {error}")


def _print(seen: dict[str, object], stand_ins: list[str]) -> None:
    print("\n| | seen |\n|---|---|")
    for what, value in seen.items():
        print(f"| {what} | {value} |")
    if stand_ins:
        print(f"\nNo registry was reached; made from Debian packages: {', '.join(stand_ins)}.")


if __name__ == "__main__":
    sys.exit(main())
