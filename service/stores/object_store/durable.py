"""What is on the disk stays there: syncs of files, of folders, and of all at once."""

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

# Before this version of Linux `syncfs` does not tell of writes that failed.
SYNCFS_SINCE = (5, 8)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(files: Iterable[Path], root: Path) -> None:
    """Wait until new files, and the names that lead to them from `root`, are on the disk.

    Where the system can, with one sync of the file system however many there are: measured, that
    takes as long as the sync of one file. It also waits for what others wrote there.

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
    """The same, file by file and folder by folder."""
    folders: set[Path] = set()
    for file in files:
        sync(file)
        folders.update(folder for folder in file.parents if folder.is_relative_to(root))
    for folder in folders:
        sync(folder)


@cache
def _syncfs() -> Any | None:
    """`syncfs` of the C library; None where there is none that tells of failures."""
    found = re.match(r"(\d+)\.(\d+)", platform.release())
    if sys.platform != "linux" or not found:
        return None
    if (int(found[1]), int(found[2])) < SYNCFS_SINCE:
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
