"""Memory that the inspection of a file may take, so that all inspections of a gateway fit.

`service.inspection.child_pool` shares it out.

Measured on valid files at the limits (8000x5000 images, 4096x2160 videos, pose files of 32 MiB):
WebP up to 640 MiB and AVIF 425 MiB, because their decoders hold several whole images; a
progressive JPEG of four channels 310 MiB; other images 160 MiB; videos 210 MiB; pose files 8 bytes
for each of theirs. Unknown keys of a pose file may hold values that need more: many `{"":0}` 31,
deeply nested lists 51. Such a file is rejected if it does not fit.
"""

from __future__ import annotations

from media.poses.archive import ZIP_MAGIC
from service.input_limits import InputLimits
from service.stores.object_store.base import Content, size_of

HEAD_BYTES = 256
# Memory for each byte of a pose file with many small objects.
POSES_FACTOR = 32
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")


def head_of(content: Content) -> bytes:
    """Return the first bytes of a file."""
    if isinstance(content, bytes):
        return content[:HEAD_BYTES]
    with open(content, "rb") as stream:
        return stream.read(HEAD_BYTES)


def required_bytes(role: str, content: Content, limits: InputLimits) -> int:
    """Return the memory that the child for a file may take: the whole budget, or half of it.

    Args:
        role: `image`, `driving`, `poses` or `image_pose`.
        content: the file.
        limits: `probe_memory_bytes` is the budget.
    """
    budget = limits.probe_memory_bytes
    if role == "image":
        head = head_of(content)
        webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        heavy = webp or (head[4:8] == b"ftyp" and head[8:12] in AVIF_BRANDS)
    else:
        is_large = POSES_FACTOR * size_of(content) > budget // 2
        heavy = role != "driving" and (is_large or head_of(content).startswith(ZIP_MAGIC))
    return budget if heavy else budget // 2
