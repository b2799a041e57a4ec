"""`make e2e-docker`: end-to-end test of the images and the compose file in a real Docker engine.

Builds the images, runs Compose with the profile `cpu` as a random uid, submits jobs from outside,
kills and drains workers during jobs, restarts everything and checks that all jobs and objects are
still available. Removes the containers, networks, volumes and images that it made.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e_docker.bases import SUBSTITUTE_LABEL, Bases, named_bases, provide
from tests.e2e_docker.engine import Compose, EngineError, docker, missing_parts
from tests.e2e_docker.images import Images, any_uid, build, check, images_of
from tests.e2e_docker.scenario import Addresses, Scenario
from tests.servers import free_port
from tools.check_deploy import required_secrets
from worker.outputs.provenance.credentials import CHAIN, KEY, development_credentials
from worker.outputs.provenance.credentials import ROOT as ROOT_CERTIFICATE

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "tcan-e2e"
TAG = "e2e"


def main() -> int:
    """Run the whole test and print its results; return 0 if it passes."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e_docker", description=__doc__)
    parser.add_argument(
        "--keep-images", action="store_true", help="keep the images for a quick second run"
    )
    parser.add_argument(
        "--use-images", action="store_true", help="build nothing; use images kept by an earlier run"
    )
    options = parser.parse_args()
    if missing := missing_parts():
        print("\n".join(f"error: {part}" for part in missing))
        return 1
    bases, began_s = named_bases(ROOT), time.monotonic()
    created_images: list[str] = []
    try:
        substitutes = provide(bases, print)
        created_images += substitutes
        results = _run(
            bases, created_images, offline=bool(substitutes), build_them=not options.use_images
        )
    except EngineError as error:
        print(f"error: {error}")
        return 1
    finally:
        if not options.keep_images:
            _remove(created_images)
    results["total, s"] = round(time.monotonic() - began_s)
    _print(results, substitutes)
    return 0


def _run(
    bases: Bases, created_images: list[str], *, offline: bool, build_them: bool
) -> dict[str, object]:
    images, build_times = images_of(TAG), dict[str, float]()
    if build_them:
        print("building the images")
        build_times = build(ROOT, images, bases, TAG, offline=offline)
    created_images += [images.gateway, images.worker]
    uid = any_uid()
    results: dict[str, object] = {
        f"{name} built, s": round(time_s) for name, time_s in build_times.items()
    }
    results |= check(images, bases, uid)
    with tempfile.TemporaryDirectory(prefix="tcan-e2e-") as folder:
        signing = Path(folder) / "signing"
        _make_certificate(signing)
        compose, urls = _compose(images, bases, uid, Path(folder), signing)
        results[f"compose ({' '.join(compose.command)})"] = compose.run("version", "--short")
        root = (signing / ROOT_CERTIFICATE).read_text()
        scenario = Scenario(compose, urls, root, Path(folder), print)
        try:
            scenario.run()
        except EngineError:
            print(compose.run("logs", "--no-color", "--tail", "30"), flush=True)
            raise
        finally:
            compose.run("down", "--volumes", "--remove-orphans")
        return results | scenario.results | _check_nothing_remains(compose)


def _make_certificate(folder: Path) -> None:
    """Write a certificate that any uid in the containers can read."""
    development_credentials(folder)
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def _compose(
    images: Images, bases: Bases, uid: int, folder: Path, signing: Path
) -> tuple[Compose, Addresses]:
    """Return the project and its addresses on this machine."""
    port, s3_port, prometheus_port = free_port(), free_port(), free_port()
    urls = Addresses(
        f"http://127.0.0.1:{port}",
        f"http://127.0.0.1:{s3_port}",
        f"http://127.0.0.1:{prometheus_port}",
    )
    environment = {
        "TCAN_GATEWAY_IMAGE": images.gateway,
        "TCAN_WORKER_CPU_IMAGE": images.worker,
        "TCAN_VALKEY_IMAGE": bases.valkey,
        "TCAN_SEAWEEDFS_IMAGE": bases.seaweedfs,
        "TCAN_PROMETHEUS_IMAGE": bases.prometheus,
        "TCAN_UID": str(uid),
        "TCAN_GID": str(uid),
        "TCAN_PORT": str(port),
        "TCAN_S3_PORT": str(s3_port),
        "TCAN_PROMETHEUS_PORT": str(prometheus_port),
        "TCAN_S3_PUBLIC_ENDPOINT_URL": urls.s3,
        "TCAN_SIGNING": str(signing),
        "TCAN_C2PA_CERT": f"/signing/{CHAIN}",
        "TCAN_C2PA_KEY": f"/signing/{KEY}",
        **{name: secrets.token_hex(20) for name in required_secrets()},
    }
    env_file = folder / "empty.env"
    env_file.touch()
    return Compose(ROOT, PROJECT, environment, env_file), urls


def _check_nothing_remains(compose: Compose) -> dict[str, object]:
    """Check that nothing of the project remains. Raises EngineError otherwise."""
    remaining = {
        "containers": compose.containers(all_states=True),
        "networks": compose.ids("network"),
        "volumes": compose.ids("volume"),
    }
    if any(remaining.values()):
        raise EngineError(f"not removed: {remaining}")
    return {"containers, networks and volumes that remain": 0}


def _remove(images: list[str]) -> None:
    for name in reversed(images):
        _quietly(docker, "image", "rm", "--force", name)
    # Unnamed stages of our builds only.
    _quietly(docker, "image", "prune", "--force", "--filter", f"label={SUBSTITUTE_LABEL}")


def _quietly(action: Callable[..., str], *words: str) -> None:
    try:
        action(*words)
    except EngineError as error:
        print(f"not removed: {error}")


def _print(results: dict[str, object], substitutes: list[str]) -> None:
    print("\n| | result |\n|---|---|")
    for name, value in results.items():
        print(f"| {name} | {value} |")
    if substitutes:
        print(f"\nNo registry is reachable; built from Debian packages: {', '.join(substitutes)}.")


if __name__ == "__main__":
    sys.exit(main())
