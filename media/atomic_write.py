"""Write files so that they appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def temporary_path(path: Path) -> Path:
    """Return a new hidden name beside `path` for the time in which it is written."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a name to write to; it becomes `path` when the block ends, and goes when it fails."""
    unfinished = temporary_path(path)
    try:
        yield unfinished
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
