"""Sync files, folders and file systems to disk."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

# Older versions of Linux do not report failed writes from `syncfs`.
SYNCFS_SINCE = (5, 8)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(files: Iterable[Path], root: Path) -> None:
    """Wait until new files, and their folders up to `root`, are on disk.

    Uses one sync of the whole file system if possible: measured, it takes as long as the sync of
    one file. It also waits for writes of other processes.

    Raises:
        OSError: something could not be written.
    """
    syncfs = _syncfs()
    if syncfs is None:
        sync_each(files, root)
        return
    descriptor = os.open(root, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(root))
    finally:
        os.close(descriptor)


def sync_each(files: Iterable[Path], root: Path) -> None:
    """Do the same, file by file and folder by folder."""
    folders: set[Path] = set()
    for file in files:
        sync(file)
        folders.update(folder for folder in file.parents if folder.is_relative_to(root))
    for folder in folders:
        sync(folder)


@cache
def _syncfs() -> Any | None:
    """Return the C library's `syncfs`; None if it is missing or does not report failures."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or not release:
        return None
    if (int(release[1]), int(release[2])) < SYNCFS_SINCE:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
