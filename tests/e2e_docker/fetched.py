"""A result that was fetched: its bytes, and its pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import av

from tests.e2e_docker.engine import EngineError


@dataclass(frozen=True)
class Fetched:
    """A video as it was fetched.

    Attributes:
        file: the sha256 of its bytes.
        frames: the sha256 of its decoded frames, one after the other, with size and pixel format.
    """

    file: str
    frames: str

    @classmethod
    def of(cls, file: Path) -> Fetched:
        """Decode it. Raises EngineError when it holds no frame."""
        digest, count = hashlib.sha256(), 0
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                digest.update(f"{frame.width}x{frame.height} {frame.format.name}".encode())
                digest.update(frame.to_ndarray().tobytes())
                count += 1
        if not count:
            raise EngineError(f"{file.name} holds no frame")
        return cls(hashlib.sha256(file.read_bytes()).hexdigest(), digest.hexdigest())
