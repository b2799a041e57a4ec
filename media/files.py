"""A media file that is read: by its path, or one that was opened by somebody else.

A process that decodes what strangers send may open no file; it is handed one.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Buffer

BUFFER_BYTES = 64 * 1024


@dataclass(frozen=True)
class MediaFile:
    """A file that may be opened many times, each time from its beginning.

    Attributes:
        path: where it is, or what it is called in messages.
        descriptor: of the open file; None for one that `path` leads to.
    """

    path: Path
    descriptor: int | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return self.path.name

    def size_bytes(self) -> int | None:
        """Its size; None when there is no such file."""
        if self.descriptor is not None:
            return os.fstat(self.descriptor).st_size
        return self.path.stat().st_size if self.path.is_file() else None

    def open(self) -> BinaryIO:
        """A reader with a position of its own. Raises OSError."""
        if self.descriptor is None:
            return open(self.path, "rb")
        return io.BufferedReader(_Positioned(self.descriptor), BUFFER_BYTES)


Source: TypeAlias = Path | str | MediaFile


def media_file(source: Source) -> MediaFile:
    """The file that a path leads to, or the open one that was given."""
    return source if isinstance(source, MediaFile) else MediaFile(Path(source))


class _Positioned(io.RawIOBase):
    """Reads from a descriptor that it shares, at a position of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        taken = os.pread(self._descriptor, len(view), self._at)
        view[: len(taken)] = taken
        self._at += len(taken)
        return len(taken)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = os.fstat(self._descriptor).st_size
        self._at = max(0, {io.SEEK_SET: 0, io.SEEK_CUR: self._at}.get(whence, size) + offset)
        return self._at
