"""Space on the disks of a run: checked at its start, and named when it is used up."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tcan_core.errors import StorageError

_GIGABYTE = 1e9
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Check that a disk has space for what a run will write.

    Args:
        folder: may not exist yet.
        what: what is written, for the error message.

    Raises:
        StorageError: there is not enough.
    """
    free = free_bytes(folder)
    if needed_bytes > free:
        raise StorageError(
            f"{folder}: {what} need {gigabytes(needed_bytes)}, but its disk has "
            f"{gigabytes(free)} free; free space or choose another folder"
        )


@contextmanager
def named_full_disk(*folders: Path) -> Iterator[None]:
    """Raise StorageError with the free space of these folders if a disk is full inside."""
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        free = ", ".join(f"{folder} has {gigabytes(free_bytes(folder))}" for folder in folders)
        raise StorageError(
            f"a disk is full, or a limit on files is reached ({error}); free: {free}. The last "
            "checkpoint is kept; free space and continue with --resume"
        ) from error


def _is_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that it hides, comes from a full disk.

    torch raises a RuntimeError over it; safetensors has only its text.
    """
    while error is not None:
        is_named = "No space left on device" in str(error)
        if is_named or (isinstance(error, OSError) and error.errno in _FULL):
            return True
        error = error.__context__
    return False


def free_bytes(folder: Path) -> int:
    """Return the free space of the disk of a folder, which may not exist yet."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(existing).free


def gigabytes(size_bytes: int) -> str:
    """Return a number of bytes in words."""
    return f"{size_bytes / _GIGABYTE:.1f} GB"
