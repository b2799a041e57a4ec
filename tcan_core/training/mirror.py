"""Copy of a run's folders in a storage, from which a new machine can resume the run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from tcan_core.errors import StorageError
from tcan_core.training.checkpoint import CHECKPOINT
from tcan_core.training.kept_checkpoints import BEST, EARLIER
from tcan_core.training.storage import Storage, checked_name

log = logging.getLogger(__name__)


class Mirror:
    """Local folders and their copy in a storage.

    Args:
        storage: where the copy is kept.
        folders: local folders by their name in the storage.
    """

    def __init__(self, storage: Storage, folders: Mapping[str, Path]) -> None:
        self._storage, self._folders = storage, folders
        self._same: dict[str, tuple[int, int]] = {}

    def pull(self) -> None:
        """Download the last and best checkpoint over the local ones, and all missing files.

        All machines of a run start from the checkpoint in the storage.
        """
        for prefix, folder in self._folders.items():
            for name in self._storage.names(f"{prefix}/"):
                file = folder / checked_name(name.removeprefix(f"{prefix}/"))
                if file.name in (CHECKPOINT, BEST) or not file.exists():
                    self._storage.fetch(name, file)
                    self._same[name] = _stamp(file)

    def push(self) -> None:
        """Upload changed files, the checkpoint last so that the files it needs are there.

        Raises:
            StorageError: the storage does not answer.
        """
        for name, file in sorted(self._files().items(), key=lambda item: _last(item[1])):
            stamp = _stamp(file)
            if self._same.get(name) != stamp:
                self._storage.put(name, file)
                self._same[name] = stamp

    def try_to_push(self) -> None:
        """Upload changed files; if the storage is unavailable, log a warning and return."""
        try:
            self.push()
        except StorageError as error:
            log.warning("upload failed, will be retried with the next checkpoint: %s", error)

    def _files(self) -> dict[str, Path]:
        return {
            f"{prefix}/{file.relative_to(folder).as_posix()}": file
            for prefix, folder in self._folders.items()
            for file in folder.rglob("*")
            if file.is_file() and file.suffix != ".partial" and not file.name.startswith(".")
            if file.parent.name != EARLIER
        }


def _last(file: Path) -> tuple[bool, str]:
    return file.name == CHECKPOINT, str(file)


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
