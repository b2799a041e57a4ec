"""Which demuxer of FFmpeg reads a file, told by its first bytes.

A file of a stranger is never left to FFmpeg's own guess, which tries every demuxer that it has:
playlists that name other files and addresses, and many that nobody needs.
"""

from __future__ import annotations

HEAD_BYTES = 4096
PNG = b"\x89PNG\r\n\x1a\n"
TS_SYNC = 0x47
TS_PACKET = 188

# By where they stand in the file, and the name of the demuxer.
MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"FLV\x01", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    *((4, box, "mov") for box in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")),
)


def demuxer(head: bytes) -> str | None:
    """The name of the demuxer for a file that begins so; None where none of them is meant.

    Args:
        head: the first `HEAD_BYTES` of the file, or all of it.
    """
    for at, magic, name in MAGIC:
        if head.startswith(magic, at):
            return name
    if head.startswith(b"RIFF") and head[8:11] == b"AVI":
        return "avi"
    if head.startswith(PNG) and b"acTL" in head:
        return "apng"
    return "mpegts" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    """Whether packets begin where they must, of 188 bytes or with four bytes before each."""
    return any(
        len(head) > first + 2 * size
        and all(head[first + index * size] == TS_SYNC for index in range(3))
        for first, size in ((0, TS_PACKET), (4, TS_PACKET + 4))
    )
