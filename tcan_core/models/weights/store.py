"""Where weights live that did not come with the package: one folder per preset, with a lock file.

    <models>/<preset>/<part>.safetensors     what the networks load
    <models>/<preset>/loras/<name>.safetensors
    <models>/<preset>/weights.lock.json      digest and origin of each of them

`<models>` is `TCAN_MODELS`, by default `~/.cache/tcan/models`. The lock is what makes a first pull
binding: where a preset pins no revision or digest, later pulls must bring what the first one did.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tcan_core.errors import WeightsError

MODELS_SETTING = "TCAN_MODELS"
LOCK_NAME = "weights.lock.json"


@dataclass(frozen=True)
class Locked:
    """What is known of one file of a store.

    Attributes:
        sha256: of the file as it lies there.
        origin: where it came from, for people: a repository's file, or a path.
        kind: what was read: "hub" for a file kept as it is, else the format it was imported from.
        repo: of the hub, or None for a file of this machine.
        revision: the commit that the hub named.
        source_sha256: of the file as it was before conversion.
    """

    sha256: str
    origin: str
    kind: str = "hub"
    repo: str | None = None
    revision: str | None = None
    source_sha256: str | None = None


def models_folder() -> Path:
    """Return the folder of all stores; it need not exist."""
    setting = os.environ.get(MODELS_SETTING)
    if setting:
        return Path(setting).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tcan" / "models"


def store_folder(name: str) -> Path:
    """Return the store of a preset, or of a set of files, by its name."""
    return models_folder() / name


def read_lock(folder: Path) -> dict[str, Locked]:
    """Return what is locked in a store, by the file's name; nothing where there is no lock.

    Raises:
        WeightsError: the lock is damaged.
    """
    path = folder / LOCK_NAME
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Locked(**entry) for name, entry in content["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(f"{path}: not a lock file ({error}); remove it to trust anew") from error


def locked_file(path: Path | None) -> Locked | None:
    """Return what a lock says of a file: that of its store, wherever `--into` put the store.

    Raises:
        WeightsError: the lock is damaged.
    """
    if path is None:
        return None
    for store in (path.parent, path.parent.parent):  # a LoRA lies in its store's `loras`
        entry = read_lock(store).get(path.relative_to(store).as_posix())
        if entry is not None:
            return entry
    return None


def check_digest(path: Path, sha256: str | None) -> None:
    """Hold a file to what the preset says, and to its store's lock: a pull trusts once.

    A gigabyte takes about a second of each load.

    Args:
        sha256: that a preset, or a set of files, pins.

    Raises:
        WeightsError: it is another file.
    """
    locked = locked_file(path)
    known = {"the preset": sha256, LOCK_NAME: locked.sha256 if locked else None}
    if not any(known.values()):
        return
    found = file_sha256(path)
    for who, wanted in known.items():
        if wanted not in (None, found):
            raise WeightsError(f"{path}: sha256 is {found}, {who} says {wanted}")


def lock(folder: Path, entries: Mapping[str, Locked]) -> None:
    """Add entries to a store's lock, whole or not at all."""
    known = read_lock(folder) | dict(entries)
    content = {"files": {name: asdict(known[name]) for name in sorted(known)}}
    fresh = folder / f".{LOCK_NAME}.{os.getpid()}"
    fresh.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    fresh.replace(folder / LOCK_NAME)


def file_sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
