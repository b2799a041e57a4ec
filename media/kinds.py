"""Kinds of videos and still images, recognized by the first bytes of a file.

FFmpeg must not guess the kind of an untrusted file: it would try all its demuxers, among them those
of playlists, which open other files and addresses.
"""

from __future__ import annotations

import os
from typing import BinaryIO

HEAD_BYTES = 64 * 1024
MAX_PNG_CHUNKS = 10_000  # before the pixels
PNG = b"\x89PNG\r\n\x1a\n"
TS_SYNC = 0x47
TS_PACKET = 188

# FFmpeg's demuxers that read one file and nothing else, and the suffixes of their files.
VIDEO_SUFFIXES = {
    "mov": ".mp4",
    "matroska": ".mkv",
    "avi": ".avi",
    "mpeg": ".mpg",
    "mpegts": ".ts",
    "flv": ".flv",
    "ogg": ".ogv",
    "asf": ".wmv",
    "gif": ".gif",
    "apng": ".png",
}
# (offset in the file, bytes there, demuxer)
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"FLV\x01", "flv"),
    (0, b"OggS", "ogg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    *((4, box, "mov") for box in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")),
)
_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*")
# Brands of HEIF (AVIF, HEIC): of still images, and of image sequences.
_STILL_BRANDS = {b"avif", b"heic", b"heix", b"mif1"}
_SEQUENCE_BRANDS = {b"avis", b"hevc", b"hevx", b"msf1"}
# Images that are not read, by their first bytes, and HEIF by its brands.
_HEIC = "a HEIC image (the format of many phones)"
_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"II*\0", "a TIFF image with this kind of pixels (such as floats in colour)"),
    (b"MM\0*", "a TIFF image with this kind of pixels (such as floats in colour)"),
    (b"II+\0", "a BigTIFF image"),
    (b"MM\0+", "a BigTIFF image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"v/1\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"%PDF", "a PDF document"),
    (b"\0\0\1\0", "an icon"),
)
_ANIMATED_AVIF = b"avis"
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def read_head(stream: BinaryIO) -> bytes:
    """Return the bytes that tell a file's kind, and leave the stream at the file's beginning.

    These are the first `HEAD_BYTES`; of a PNG, the names of the chunks before its pixels: metadata
    of any size may come before the mark of an animation.
    """
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if head.startswith(PNG):
        stream.seek(len(PNG))
        head = PNG + b" ".join(_png_chunks(stream))
    stream.seek(0)
    return head


def _png_chunks(stream: BinaryIO) -> list[bytes]:
    names: list[bytes] = []
    while len(names) < MAX_PNG_CHUNKS and len(header := stream.read(8)) == 8:
        if (name := header[4:]) == b"IDAT":
            break
        names.append(name)
        stream.seek(int.from_bytes(header[:4], "big") + 4, os.SEEK_CUR)  # and the checksum
    return names


def demuxer(head: bytes) -> str | None:
    """Return the name of FFmpeg's demuxer for a file, or None when its kind is unknown.

    Args:
        head: see `read_head`.
    """
    for offset, magic, name in _MAGIC:
        if head.startswith(magic, offset):
            return name
    if head.startswith(b"RIFF") and head[8:11] == b"AVI":
        return "avi"
    if head.startswith(PNG) and b"acTL" in head:
        return "apng"
    return "mpegts" if _is_transport_stream(head) else None


def is_still(head: bytes) -> bool:
    """Return whether a file is a PNG, JPEG, WebP, BMP, TIFF, AVIF or HEIC without animation.

    A GIF is not recognized: the number of its frames is not in its first bytes.

    Args:
        head: see `read_head`.
    """
    if head.startswith(PNG):
        return b"acTL" not in head  # the chunk of animated PNGs
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return not (head[12:16] == b"VP8X" and int.from_bytes(head[20:21]) & 2)
    if head[4:8] == b"ftyp":
        return head[8:12] in _STILL_BRANDS and _SEQUENCE_BRANDS.isdisjoint(_brands(head))
    return head.startswith((_JPEG, *_TIFF)) or (head[:2] == b"BM" and head[6:10] == bytes(4))


def is_animated_image(head: bytes) -> bool:
    """Return whether a file is a GIF, an animated PNG or an animated AVIF.

    Args:
        head: see `read_head`.
    """
    if head[4:8] == b"ftyp":
        return head[8:12] == _ANIMATED_AVIF or _ANIMATED_AVIF in _brands(head)
    return demuxer(head) in ("gif", "apng")


def _brands(head: bytes) -> set[bytes]:
    """Return the compatible brands of a file of the MPEG-4 family."""
    box = head[: int.from_bytes(head[:4], "big")]
    return {box[at : at + 4] for at in range(16, len(box), 4)}


def unsupported_image(head: bytes) -> str | None:
    """Return the name of a common kind of image that is not read, with its article, or None.

    Args:
        head: the first `HEAD_BYTES` of a file that could not be identified, or all of it.
    """
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return _HEIC
    if b"<svg" in head:
        return "an SVG drawing"
    return next((name for magic, name in _UNSUPPORTED if head.startswith(magic)), None)


def _is_transport_stream(head: bytes) -> bool:
    """Return whether packets of 188 bytes follow each other, or of 192 with a time stamp each."""
    return any(
        len(head) > first + 2 * size
        and all(head[first + index * size] == TS_SYNC for index in range(3))
        for first, size in ((0, TS_PACKET), (4, TS_PACKET + 4))
    )
