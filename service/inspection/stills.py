"""Is this a still image? Told by how the file begins; nothing is decoded."""

from __future__ import annotations

from media.kinds import PNG

JPEG = b"\xff\xd8\xff"
TIFF = (b"II*\0", b"MM\0*")
# Of HEIF, to which AVIF and HEIC belong: the kinds of a still, and of a sequence of pictures.
STILL_BRANDS = {b"avif", b"heic", b"heix", b"mif1"}
SEQUENCE_BRANDS = {b"avis", b"hevc", b"hevx", b"msf1"}


def is_still(head: bytes) -> bool:
    """Whether it is a PNG, JPEG, WebP, BMP, TIFF, AVIF or HEIC that does not move.

    A GIF is not told here: only its frames say whether it moves.

    Args:
        head: the first `media.kinds.HEAD_BYTES` of the file, or all of it.
    """
    if head.startswith(PNG):
        return b"acTL" not in head  # the chunk that makes it an animation
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return not (head[12:16] == b"VP8X" and int.from_bytes(head[20:21]) & 2)
    if head[4:8] == b"ftyp":
        box = head[: int.from_bytes(head[:4], "big")]
        brands = {box[at : at + 4] for at in range(16, len(box), 4)}
        return box[8:12] in STILL_BRANDS and SEQUENCE_BRANDS.isdisjoint(brands)
    return head.startswith((JPEG, *TIFF)) or (head[:2] == b"BM" and head[6:10] == bytes(4))
