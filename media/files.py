"""Media files to read, given by path or as an open descriptor.

A sandboxed process cannot open files; it gets descriptors.
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
    """A file that can be opened many times, each time at its beginning.

    Attributes:
        path: path of the file; with a descriptor it is only the name in messages.
        descriptor: descriptor of the open file; None to open `path`.
    """

    path: Path
    descriptor: int | None = None

    @property
    def name(self) -> str:
        """The name in messages."""
        return self.path.name

    def size_bytes(self) -> int | None:
        """Return the size, or None when there is no such file."""
        if self.descriptor is not None:
            return os.fstat(self.descriptor).st_size
        return self.path.stat().st_size if self.path.is_file() else None

    def open(self) -> BinaryIO:
        """Return a reader with its own position. Raises OSError."""
        if self.descriptor is None:
            return open(self.path, "rb")
        return io.BufferedReader(_DescriptorReader(self.descriptor), BUFFER_BYTES)


Source: TypeAlias = Path | str | MediaFile


def media_file(source: Source) -> MediaFile:
    """Return the source as a MediaFile."""
    return source if isinstance(source, MediaFile) else MediaFile(Path(source))


class _DescriptorReader(io.RawIOBase):
    """A reader of a shared descriptor, with its own position."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer).cast("B")
        data = os.pread(self._descriptor, len(view), self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = os.fstat(self._descriptor).st_size
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence, size)
        self._position = max(0, start + offset)
        return self._position
