"""Files that the client writes."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def check_target(file: Path) -> None:
    """Check that a file can be written before a job is sent.

    Raises:
        OSError: its folder does not exist or is not writable, or the file is a folder.
    """
    if file.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if not file.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file.parent))
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file.parent))
