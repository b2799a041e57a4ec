"""Pull files: pinned files are verified; others are trusted once and then locked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.hub.transfer import fetch
from tcan_core.models.weights.store import LockEntry, lock, read_lock

# Called with the file's name, the bytes downloaded so far, and the total if known.
PullProgress = Callable[[str, int, int | None], None]


def pull_files(
    files: Mapping[str, HubFile], folder: Path, progress: PullProgress | None = None
) -> dict[str, Path]:
    """Download files into a folder; correct existing files are kept.

    Args:
        files: files on the hub by their local name or relative path.
        progress: called during the download of a file.

    Returns:
        The local path of each file.

    Raises:
        WeightsError: a file cannot be downloaded, or differs from the pinned or locked one. Earlier
            files are kept; an interrupted download is resumed at the next call.
    """
    return {name: pull_file(name, file, folder, progress) for name, file in files.items()}


def pull_file(name: str, file: HubFile, folder: Path, progress: PullProgress | None = None) -> Path:
    """Download one file, see `pull_files`, and lock it."""
    target, entry = folder / name, matching_lock(file, read_lock(folder).get(name))
    digest = file.sha256 or (entry.source_sha256 if entry else None)
    if target.exists() and digest is not None and file_sha256(target) == digest:
        return target
    revision = file.revision or (entry.revision if entry else None)
    report = progress or (lambda name, done, total: None)
    fetched = fetch(file, revision, digest, target, lambda done, total: report(name, done, total))
    actual = file_sha256(fetched.part)
    expected = digest or fetched.announced
    if expected not in (None, actual):
        fetched.part.unlink()
        source = "the preset's" if file.sha256 else "the first pull's" if digest else "the hub's"
        raise WeightsError(
            f"{file}: sha256 is {actual}, but must be {source} {expected}; the file was discarded"
        )
    fetched.part.replace(target)
    revision = fetched.revision or revision
    new = LockEntry(actual, str(file), repo=file.repo, revision=revision, source_sha256=actual)
    lock(folder, {name: new})
    return target


def damaged_files(files: Mapping[str, HubFile], folder: Path) -> dict[str, str]:
    """Check pulled files and return the problems by name."""
    entries, problems = read_lock(folder), {}
    for name, file in files.items():
        path = folder / name
        digest = file.sha256 or (entries[name].sha256 if name in entries else None)
        if not path.exists():
            problems[name] = f"{name} is missing"
        elif digest is None or file_sha256(path) != digest:
            problems[name] = f"{name} has changed since it was pulled (sha256)"
    return problems


def matching_lock(file: HubFile, entry: LockEntry | None) -> LockEntry | None:
    """Return the lock entry if it belongs to this file and revision, otherwise None."""
    if entry is None or entry.origin != str(file):
        return None
    return entry if file.revision in (None, entry.revision) else None
