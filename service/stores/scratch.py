"""Folders for files on their way: erased by their owner, or by others once it was killed.

An owner holds the lock of a file in its folder, and the system lets go of it with the process. The
folder takes its name only when the lock is held, so whoever finds one whose lock is free may erase
it, whatever else lives in the same place.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.contract.workers import DiskSpace

logger = logging.getLogger(__name__)

LOCK = ".lock"
NEW, READY = ".new-", "at-"
# What has no lock was left between two moments, or is nobody's of ours; so old it is erased.
WITHOUT_LOCK_S = 24 * 3600.0


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder for the length of a `with` block. Raises OSError when the disk takes none."""
    made = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    folder = made.with_name(made.name.replace(NEW, READY, 1))
    lock = None
    try:
        # Only for reading: a disk on which a file is open for writing cannot become read-only.
        lock = os.open(made / LOCK, os.O_RDONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        made.rename(folder)
        yield folder
    finally:
        for path in (made, folder):
            shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def sweep_scratch(parent: Path) -> list[Path]:
    """Erase the folders of owners that are gone; what cannot be erased is left.

    Returns:
        The folders that were erased.
    """
    erased = [folder for folder in sorted(parent.glob("*")) if _erased(folder)]
    for folder in erased:
        logger.info("%s: its owner is gone; it is erased", folder)
    return erased


def disk_space(folder: Path) -> DiskSpace | None:
    """Room where the folder lies, for whoever is not root; None where the system tells none."""
    try:
        told = os.statvfs(folder)
    except OSError:
        return None
    return DiskSpace(
        free_bytes=told.f_bavail * told.f_frsize, total_bytes=told.f_blocks * told.f_frsize
    )


def _erased(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return _is_old(folder) and _rid(folder)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Without its name there is no owner yet: it is about to take the lock.
        return (folder.name.startswith(READY) or _is_old(folder)) and _rid(folder)
    except OSError:
        return False
    finally:
        os.close(lock)


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > WITHOUT_LOCK_S
    return False


def _rid(path: Path) -> bool:
    """Erase a folder, or a file; whether it is gone."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not path.exists()
