"""The store of weights that are not shipped: one folder per preset, with a lock file.

    <models>/<preset>/<part>.safetensors          weights of a part
    <models>/<preset>/loras/<name>.safetensors    merged LoRAs
    <models>/<preset>/weights.lock.json           digest and origin of each file

`<models>` is `TCAN_MODELS`, by default `~/.cache/tcan/models`. If a preset pins no revision or
digest, the lock pins those of the first pull, and later pulls must match them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from media.atomic_write import atomic_write
from media.digest import file_sha256
from tcan_core.errors import WeightsError

MODELS_SETTING = "TCAN_MODELS"
LOCK_NAME = "weights.lock.json"


@dataclass(frozen=True)
class LockEntry:
    """Digest and origin of one file in a store.

    Attributes:
        sha256: digest of the stored file.
        origin: origin for display: a file of a repository, or a path.
        kind: "hub" for a file stored as downloaded, otherwise the format it was imported from.
        repo: repository on the hub; None for a local file.
        revision: commit that the hub reported.
        source_sha256: digest of the file before conversion.
    """

    sha256: str
    origin: str
    kind: str = "hub"
    repo: str | None = None
    revision: str | None = None
    source_sha256: str | None = None


def models_folder() -> Path:
    """Return the folder of all stores, which may not exist."""
    setting = os.environ.get(MODELS_SETTING)
    if setting:
        return Path(setting).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tcan" / "models"


def store_folder(name: str) -> Path:
    """Return the store of a preset or of a file set."""
    return models_folder() / name


def read_lock(folder: Path) -> dict[str, LockEntry]:
    """Return the lock entries of a store by file name; empty if there is no lock.

    Raises:
        WeightsError: the lock is damaged.
    """
    path = folder / LOCK_NAME
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: LockEntry(**entry) for name, entry in content["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not a lock file ({error}); remove it to pin the files again"
        ) from error


def locked_file(path: Path | None) -> LockEntry | None:
    """Return the lock entry of a file, or None if it has none.

    Raises:
        WeightsError: the lock is damaged.
    """
    if path is None:
        return None
    for store in (path.parent, path.parent.parent):  # a LoRA is in the subfolder `loras`
        entry = read_lock(store).get(path.relative_to(store).as_posix())
        if entry is not None:
            return entry
    return None


def check_digest(path: Path, sha256: str | None) -> None:
    """Check a file's digest against the preset and the lock of its store.

    It takes about a second per gigabyte at each load.

    Args:
        sha256: digest pinned by a preset or a file set; None if there is none.

    Raises:
        WeightsError: the digest differs.
    """
    locked = locked_file(path)
    expected = {"the preset": sha256, LOCK_NAME: locked.sha256 if locked else None}
    if not any(expected.values()):
        return
    actual = file_sha256(path)
    for source, digest in expected.items():
        if digest not in (None, actual):
            raise WeightsError(f"{path}: sha256 is {actual}, but {source} has {digest}")


def lock(folder: Path, entries: Mapping[str, LockEntry]) -> None:
    """Add entries to a store's lock, atomically."""
    _write_lock(folder, read_lock(folder) | dict(entries))


def remove(folder: Path, name: str) -> None:
    """Remove a file from a store and its lock."""
    (folder / name).unlink(missing_ok=True)
    _write_lock(folder, {key: entry for key, entry in read_lock(folder).items() if key != name})


def _write_lock(folder: Path, merged: Mapping[str, LockEntry]) -> None:
    content = {"files": {name: asdict(merged[name]) for name in sorted(merged)}}
    with atomic_write(folder / LOCK_NAME) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
