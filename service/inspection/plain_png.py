"""A small plain PNG, judged without a decoder: by its structure, its checksums and its length.

What is not plain (interlaced, animated, with chunks that unpack into something else) goes the way
of all other pictures, into a child process.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise
from typing import NamedTuple

from media.kinds import PNG

HEADER = struct.Struct(">IIBBBBB")
CHUNK = struct.Struct(">I4s")
FRAME_BYTES = 12  # of a chunk: its length, kind and checksum
QUICK_PIXELS = 128 * 128
PLAIN_KINDS = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs")
)
# Samples per pixel, and bits per sample, of each colour type.
COLOURS = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}
INDEXED = 3
FILTERS = 5


class Chunk(NamedTuple):
    """A chunk whose length lies within the file."""

    kind: bytes
    data: bytes
    checksum: int


class Header(NamedTuple):
    """What IHDR says."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int


def plain_header(content: bytes) -> Header | None:
    """The header of a plain PNG that is so small that it is judged at once; None of others."""
    kinds = [chunk.kind for chunk in _chunks(content)]
    if kinds[:1] != [b"IHDR"] or b"IHDR" in kinds[1:] or not PLAIN_KINDS.issuperset(kinds):
        return None
    first = next(iter(_chunks(content)))
    if len(first.data) != HEADER.size:
        return None
    header = Header(*HEADER.unpack(first.data))
    quick = header.width * header.height <= QUICK_PIXELS and header.interlace == 0
    return header if quick else None


def fault(content: bytes, header: Header) -> str | None:
    """What is wrong with a plain PNG, in a few words; None when every pixel is there.

    Args:
        header: that `plain_header` found.
    """
    chunks = _chunks(content)
    kinds = [chunk.kind for chunk in chunks]
    samples, depths = COLOURS.get(header.colour, (0, ()))
    if header.depth not in depths or header.compression or header.filtering:
        return "its header says what no PNG has"
    if any(zlib.crc32(chunk.kind + chunk.data) != chunk.checksum for chunk in chunks):
        return "a checksum is wrong"
    if kinds[-1] != b"IEND":
        return "it ends early"
    if header.colour == INDEXED and b"PLTE" not in kinds:
        return "it has no palette"
    if sum(b"IDAT" in (kind, after) and kind != after for kind, after in pairwise(kinds)) != 2:
        return "its pixels do not lie together"
    return _pixels_fault(b"".join(c.data for c in chunks if c.kind == b"IDAT"), header, samples)


def _pixels_fault(packed: bytes, header: Header, samples: int) -> str | None:
    row = 1 + (header.width * samples * header.depth + 7) // 8
    unpacker = zlib.decompressobj()
    try:
        pixels = unpacker.decompress(packed, row * header.height + 1)
    except zlib.error:
        return "its pixels cannot be unpacked"
    if len(pixels) != row * header.height:
        return f"{len(pixels):,} bytes of pixels in the place of {row * header.height:,}"
    return "a row is of no known filter" if max(pixels[::row]) >= FILTERS else None


def _chunks(content: bytes) -> list[Chunk]:
    """The whole chunks of a PNG, in order; none of what is no PNG."""
    found: list[Chunk] = []
    at = len(PNG)
    while content.startswith(PNG) and at + FRAME_BYTES <= len(content):
        length, kind = CHUNK.unpack_from(content, at)
        end = at + CHUNK.size + length
        if end + 4 > len(content):
            break
        data = content[at + CHUNK.size : end]
        found.append(Chunk(kind, data, int.from_bytes(content[end : end + 4])))
        at = end + 4
    return found
