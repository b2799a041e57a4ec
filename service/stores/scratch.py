"""Temporary folders, deleted by their owner, or by another process if the owner was killed.

An owner locks a file in its folder; the system releases the lock when the process ends. The folder
gets its final name only once the lock is held, so any process may delete a folder whose lock is
free.
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
# Age at which entries without a lock file are deleted.
WITHOUT_LOCK_S = 24 * 3600.0


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Create a folder for the length of a `with` block. Raises OSError."""
    made = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
    folder = made.with_name(made.name.replace(NEW, READY, 1))
    lock = None
    try:
        # Read-only: a disk with a file open for writing cannot be remounted read-only.
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
    """Delete the folders of dead owners, as far as possible; returns those deleted."""
    deleted = [folder for folder in sorted(parent.glob("*")) if _delete_if_dead(folder)]
    for folder in deleted:
        logger.info("scratch folder of a dead process deleted: folder=%s", folder)
    return deleted


def disk_space(folder: Path) -> DiskSpace | None:
    """Return the disk space available to non-root users; None if it is unknown."""
    try:
        stats = os.statvfs(folder)
    except OSError:
        return None
    return DiskSpace(
        free_bytes=stats.f_bavail * stats.f_frsize, total_bytes=stats.f_blocks * stats.f_frsize
    )


def _delete_if_dead(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return _is_old(folder) and _delete(folder)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A folder without its final name is new: its owner is about to lock it.
        return (folder.name.startswith(READY) or _is_old(folder)) and _delete(folder)
    except OSError:
        return False
    finally:
        os.close(lock)


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > WITHOUT_LOCK_S
    return False


def _delete(path: Path) -> bool:
    """Delete a folder or file; returns whether it is gone."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()
    return not path.exists()
