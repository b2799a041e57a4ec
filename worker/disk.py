"""Detection of errors that a full or read-only disk causes, which are not the job's fault."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

# A damaged input never causes these.
ERRORS = frozenset((errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
PROBE_BYTES = 16 * 1024 * 1024


def is_disk_error(error: BaseException) -> bool:
    """Return whether a full or read-only disk caused the error, at any depth of its causes."""
    cause: BaseException | None = error
    while cause is not None:
        # FFmpeg's errors have an errno, too, and are not always an OSError.
        if getattr(cause, "errno", None) in ERRORS:
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def can_write(folder: Path) -> bool:
    """Return whether a file of `PROBE_BYTES` can be written to a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True
