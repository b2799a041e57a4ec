"""Keep a run's folders in another place as well, so that a fresh machine goes on with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from tcan_core.errors import StorageError
from tcan_core.training.checkpoint import CHECKPOINT
from tcan_core.training.storage import Storage, checked_name

log = logging.getLogger(__name__)


class Mirror:
    """Folders of this machine, and what of them lies in a storage.

    Args:
        folders: by the name under which each lies in the storage.
    """

    def __init__(self, storage: Storage, folders: Mapping[str, Path]) -> None:
        self._storage, self._folders = storage, folders
        self._same: dict[str, tuple[int, int]] = {}

    def pull(self) -> None:
        """Fetch the last checkpoint, over the one that is here, and what is missing beside it.

        All machines of a run begin from the same checkpoint: that in the storage.
        """
        for prefix, folder in self._folders.items():
            for name in self._storage.names(f"{prefix}/"):
                file = folder / checked_name(name.removeprefix(f"{prefix}/"))
                if file.name == CHECKPOINT or not file.exists():
                    self._storage.fetch(name, file)
                    self._same[name] = _stamp(file)

    def push(self) -> None:
        """Store what has changed; the checkpoint last, so that it never misses what it needs.

        Raises:
            StorageError: the storage does not answer.
        """
        for name, file in sorted(self._files().items(), key=lambda item: _last(item[1])):
            stamp = _stamp(file)
            if self._same.get(name) != stamp:
                self._storage.put(name, file)
                self._same[name] = stamp

    def try_to_push(self) -> None:
        """Store what has changed, or leave it for the next time."""
        try:
            self.push()
        except StorageError as error:
            log.warning("not stored, tried again with the next checkpoint: %s", error)

    def _files(self) -> dict[str, Path]:
        return {
            f"{prefix}/{file.relative_to(folder).as_posix()}": file
            for prefix, folder in self._folders.items()
            for file in folder.rglob("*")
            if file.is_file() and file.suffix != ".partial" and not file.name.startswith(".")
        }


def _last(file: Path) -> tuple[bool, str]:
    return file.name == CHECKPOINT, str(file)


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns
