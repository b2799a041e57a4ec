"""Oversized metadata of PNG files, for which Pillow refuses the picture."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from PIL.PngImagePlugin import MAX_TEXT_CHUNK, MAX_TEXT_MEMORY

from media.kinds import PNG

# Chunks of texts and of the colour profile.
_METADATA = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})
_HEADER_BYTES, _CHECKSUM_BYTES = 8, 4


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    end: int


def without_oversized_metadata(stream: BinaryIO) -> BinaryIO | None:
    """Return a copy of a PNG without texts and profile, or None if they are within the limits.

    The limits are Pillow's: on each of them, decompressed, and on all of them together.

    Args:
        stream: any file, at its beginning, where it is left.
    """
    try:
        return _without_metadata(stream) if _is_oversized(stream) else None
    finally:
        stream.seek(0)


def _is_oversized(stream: BinaryIO) -> bool:
    total = 0
    for chunk in _chunks(stream):
        if chunk.kind in _METADATA:
            stream.seek(chunk.start + _HEADER_BYTES)
            content = stream.read(max(0, chunk.end - stream.tell() - _CHECKSUM_BYTES))
            size = _decompressed_bytes(chunk.kind, content)
            total += size
            if size > MAX_TEXT_CHUNK or total > MAX_TEXT_MEMORY:
                return True
    return False


def _without_metadata(stream: BinaryIO) -> BinaryIO:
    copy = io.BytesIO()
    copy.write(PNG)
    for chunk in _chunks(stream):
        if chunk.kind not in _METADATA:
            stream.seek(chunk.start)
            copy.write(stream.read(chunk.end - chunk.start))
    copy.seek(0)
    return copy


def _chunks(stream: BinaryIO) -> Iterator[_Chunk]:
    """Yield the chunks of a PNG, the last one up to the end of the file; none for another file."""
    size, end = stream.seek(0, os.SEEK_END), len(PNG)
    stream.seek(0)
    if stream.read(end) != PNG:
        return
    while len(header := stream.read(_HEADER_BYTES)) == _HEADER_BYTES:
        start, length = end, int.from_bytes(header[:4], "big")
        end = min(start + _HEADER_BYTES + length + _CHECKSUM_BYTES, size)
        yield _Chunk(header[4:], start, end)
        stream.seek(end)


def _decompressed_bytes(kind: bytes, content: bytes) -> int:
    """Return the size of a text or profile, counted up to one byte above the limit."""
    _, _, data = content.partition(b"\0")
    if kind == b"iTXt":
        is_compressed, data = data[:1] == b"\1", data[2:].split(b"\0", 2)[-1]
    else:
        is_compressed, data = kind != b"tEXt", data[1:]
    if not is_compressed:
        return len(data)
    try:
        return len(zlib.decompressobj().decompress(data, MAX_TEXT_CHUNK + 1))
    except zlib.error:
        return 0  # Pillow ignores it
