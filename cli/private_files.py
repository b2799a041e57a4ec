"""Files and folders of the service that other users of the machine may not read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryFile

from service.errors import SettingsError

PRIVATE_UMASK = 0o077


def make_private(folder: Path) -> str | None:
    """Create a folder for this user only, or take the rights of others from an existing one.

    A folder of another user, or one shared on purpose (with the sticky bit, as /tmp and the images'
    /data), stays as it is.

    Returns:
        A notice if an existing folder was changed, or could not be.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not mode & PRIVATE_UMASK or mode & stat.S_ISVTX or found.st_uid != os.geteuid():
        return None
    private = mode & ~PRIVATE_UMASK
    try:
        folder.chmod(private)
    except OSError as error:
        return f"{folder}: mode {mode:o} gives other users access; chmod failed: {error.strerror}"
    return f"{folder}: other users had access (mode {mode:o}); its mode is now {private:o}"


def make_writable(folder: Path) -> None:
    """Create a folder if it is missing, and check that this user can create files in it.

    Raises:
        SettingsError: a file cannot be created there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SettingsError(
            f"{folder}: user {os.geteuid()} cannot create files there: {error.strerror}; run as the"
            " folder's owner, or give the folder and what is in it to this user (chown -R)"
        ) from error


def write_private(file: Path, text: str) -> None:
    """Replace a file by one that only its owner may read."""
    file.unlink(missing_ok=True)
    with open(file, "x", encoding="utf-8", opener=private_opener) as stream:
        stream.write(text)


def private_opener(path: str, flags: int) -> int:
    """Open a file, for `open(opener=...)`; a new one is readable by its owner only."""
    return os.open(path, flags, 0o600)
