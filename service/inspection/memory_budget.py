"""How much memory a look at a file may take, so that all looks of a gateway fit into its own.

Measured on valid files at the limits (8000x5000 pictures, 4096x2160 videos, pose files of 32 MiB):
WebP up to 640 MiB and AVIF 425 MiB, as their decoders hold several whole pictures; a progressive
JPEG of four channels 310 MiB; other pictures 160 MiB; videos 210 MiB; pose files 24 bytes for each
of theirs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from service.contract.limits import InputLimits
from service.stores.object_store.base import Content, size_of

HEAD_BYTES = 256
POSES_FACTOR = 24
AVIF_BRANDS = (b"avif", b"avis", b"mif1", b"msf1")


def head_of(content: Content) -> bytes:
    """How a file begins."""
    if isinstance(content, bytes):
        return content[:HEAD_BYTES]
    with open(content, "rb") as stream:
        return stream.read(HEAD_BYTES)


def needed_bytes(role: str, content: Content, limits: InputLimits) -> int:
    """What the child that looks at a file may take: all that there is, or half of it.

    Args:
        role: `image`, `driving` or `poses`.
    """
    whole = limits.probe_memory_bytes
    if role == "image":
        head = head_of(content)
        webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        heavy = webp or (head[4:8] == b"ftyp" and head[8:12] in AVIF_BRANDS)
    else:
        heavy = role == "poses" and POSES_FACTOR * size_of(content) > whole // 2
    return whole if heavy else whole // 2


class MemoryBudget:
    """Bytes that looks at files share; who comes first is served first."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._first = anyio.Lock()
        self._freed = anyio.Event()

    @asynccontextmanager
    async def reserve(self, size_bytes: int) -> AsyncIterator[None]:
        """Have so many for the length of a `with` block; waits until there are."""
        async with self._first:
            while size_bytes > self._left:
                self._freed = anyio.Event()
                await self._freed.wait()
            self._left -= size_bytes
        try:
            yield
        finally:
            self._left += size_bytes
            self._freed.set()
