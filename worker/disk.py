"""Whether the disk is to blame for a failure: full or read-only, it fails jobs without a fault."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

# What the system says of such a disk; a broken input is never told by these.
ERRORS = frozenset((errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
PROBE_BYTES = 16 * 1024 * 1024


def is_of_the_disk(error: BaseException) -> bool:
    """Whether a disk that took no file is behind the error, whatever it was wrapped in."""
    below: BaseException | None = error
    while below is not None:
        # FFmpeg's errors carry the system's number, too, and are not always an OSError.
        if getattr(below, "errno", None) in ERRORS:
            return True
        below = below.__cause__ or below.__context__
    return False


def takes_files(folder: Path) -> bool:
    """Whether the disk takes a file there, of `PROBE_BYTES`."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True
