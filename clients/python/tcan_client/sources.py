"""Inputs of a job: content that the client sends, or a reference that the service resolves."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

Source = str | os.PathLike[str] | bytes | IO[bytes]
"""An input: the path of a file, the content itself, a file that is open in binary mode (sent from
its start), an http or https URL that the service downloads, a data: URL, or the id of an upload.

A `str` of 32 hexadecimal digits is an upload's id; a file of such a name needs a `Path`.
"""

UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
URL = re.compile(r"https?://|data:", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """Content that the client sends.

    Attributes:
        open: opens the content from its start; called for each attempt.
    """

    name: str
    size_bytes: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Reference:
    """A reference to content; `kind` is `url` or `upload`."""

    kind: str
    value: str


def read_source(name: str, source: Source) -> File | Reference:
    """Return the input called `name`.

    Raises:
        OSError: the file cannot be read.
        TypeError: the source is none of the allowed types.
    """
    if isinstance(source, str):
        if URL.match(source):
            return Reference("url", source)
        if UPLOAD_ID.fullmatch(source):
            return Reference("upload", source)
        return _file(Path(source))
    if isinstance(source, os.PathLike):
        return _file(Path(source))
    if isinstance(source, bytes):
        return _content(name, source)
    if hasattr(source, "read"):
        return _stream(name, source)
    raise TypeError(
        f"{name} must be a path, a URL, an upload's id, bytes or a file that is open in binary "
        f"mode, got {type(source).__name__}"
    )


def _file(path: Path) -> File:
    return File(path.name, path.stat().st_size, lambda: open(path, "rb"))


def _content(name: str, content: bytes) -> File:
    return File(name, len(content), lambda: BytesIO(content))


def _stream(name: str, stream: IO[bytes]) -> File:
    """Read a stream that cannot be sent a second time, such as a pipe, into memory."""
    if not stream.seekable():
        return _content(name, _binary(name, stream.read()))
    size_bytes = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    _binary(name, stream.read(0))

    def rewind() -> AbstractContextManager[IO[bytes]]:
        stream.seek(0)
        return nullcontext(stream)

    return File(name, size_bytes, rewind)


def _binary(name: str, content: object) -> bytes:
    if not isinstance(content, bytes):
        raise TypeError(f"{name} must be open in binary mode: open(file, 'rb')")
    return content
