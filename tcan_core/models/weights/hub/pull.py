"""Pull files: what is pinned is held to, and what is not is trusted once and locked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.hub.transfer import fetch
from tcan_core.models.weights.store import Locked, file_sha256, lock, read_lock

# Name of the file, bytes that are there, bytes in all where known.
PullProgress = Callable[[str, int, int | None], None]


def pull_files(
    files: Mapping[str, HubFile], folder: Path, progress: PullProgress | None = None
) -> dict[str, Path]:
    """Fetch files into a folder; what lies there already and is right stays.

    Args:
        files: by the name, or relative path, that each gets in the folder.
        progress: told while a file comes.

    Returns:
        Where each file lies.

    Raises:
        WeightsError: a file cannot be reached, or is not the one that is pinned or locked. Files
            before it stay; of itself nothing is left but what a broken transfer goes on with.
    """
    return {name: pull_file(name, file, folder, progress) for name, file in files.items()}


def pull_file(name: str, file: HubFile, folder: Path, progress: PullProgress | None = None) -> Path:
    """Fetch one file, as `pull_files` does, and lock it."""
    target, known = folder / name, locked_pull(file, read_lock(folder).get(name))
    digest = file.sha256 or (known.source_sha256 if known else None)
    if target.exists() and digest is not None and file_sha256(target) == digest:
        return target
    revision = file.revision or (known.revision if known else None)
    report = progress or (lambda name, done, total: None)
    fetched = fetch(file, revision, digest, target, lambda done, total: report(name, done, total))
    found = file_sha256(fetched.part)
    wanted = digest or fetched.announced
    if wanted not in (None, found):
        fetched.part.unlink()
        whose = "the preset's" if file.sha256 else "the first pull's" if digest else "the hub's"
        raise WeightsError(f"{file}: sha256 must be {whose} {wanted}, but is {found}; not kept")
    fetched.part.replace(target)
    revision = fetched.revision or revision
    entry = Locked(found, str(file), repo=file.repo, revision=revision, source_sha256=found)
    lock(folder, {name: entry})
    return target


def damaged_files(files: Mapping[str, HubFile], folder: Path) -> dict[str, str]:
    """Check files that were pulled and return what is wrong, by name."""
    known, wrong = read_lock(folder), {}
    for name, file in files.items():
        path = folder / name
        digest = file.sha256 or (known[name].sha256 if name in known else None)
        if not path.exists():
            wrong[name] = f"{name} is missing"
        elif digest is None or file_sha256(path) != digest:
            wrong[name] = f"{name} has another sha256 than when it was pulled"
    return wrong


def locked_pull(file: HubFile, known: Locked | None) -> Locked | None:
    """Return a lock's entry where it speaks of this very file at this very revision."""
    if known is None or known.origin != str(file):
        return None
    return known if file.revision in (None, known.revision) else None
