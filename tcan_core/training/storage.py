"""Storage of checkpoints and training data: files by name, in a folder or in S3."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

from media.atomic_write import atomic_write
from tcan_core.errors import StorageError


class Storage(Protocol):
    """Files by name. A name is a relative path with slashes.

    Every method raises StorageError when the storage does not answer.
    """

    def put(self, name: str, file: Path) -> None:
        """Store a file over what had this name, whole or not at all."""

    def fetch(self, name: str, file: Path) -> bool:
        """Write it to `file`, whole or not at all; False where there is none."""

    def remove(self, name: str) -> None:
        """Remove a file; a missing file is not an error."""

    def names(self, prefix: str = "") -> Iterable[str]:
        """Return the names of all files that begin with `prefix`, in order."""


OpenStorage = Callable[[str], Storage]


class FolderStorage:
    """Files under a folder of this machine, or of one that is mounted here."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, file: Path) -> None:
        """See `Storage.put`."""
        target = self._folder / checked_name(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as unfinished:
                shutil.copyfile(file, unfinished)
        except OSError as error:
            raise StorageError(f"{target}: cannot be written ({error.strerror})") from error

    def fetch(self, name: str, file: Path) -> bool:
        """See `Storage.fetch`."""
        source = self._folder / checked_name(name)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as unfinished:
                shutil.copyfile(source, unfinished)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"{source}: cannot be read ({error.strerror})") from error
        return True

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        file = self._folder / checked_name(name)
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{file}: cannot be removed ({error.strerror})") from error

    def names(self, prefix: str = "") -> list[str]:
        """See `Storage.names`."""
        files = (path for path in self._folder.rglob("[!.]*") if path.is_file())
        names = sorted(path.relative_to(self._folder).as_posix() for path in files)
        return [name for name in names if name.startswith(prefix)]


def checked_name(name: str) -> str:
    """Return a name that stays inside of its storage.

    Raises:
        StorageError: it does not.
    """
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts:
        raise StorageError(
            f"{name!r} is not a valid name of a stored file; use a relative path without '..'"
        )
    return name
