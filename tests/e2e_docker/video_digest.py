"""Checksums of a downloaded video: of the file and of the decoded frames."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import av

from tests.e2e_docker.engine import EngineError


@dataclass(frozen=True)
class VideoDigest:
    """Checksums of a video.

    Attributes:
        file: the sha256 of its bytes.
        frames: the sha256 of all decoded frames, with their size and pixel format.
    """

    file: str
    frames: str

    @classmethod
    def of(cls, file: Path) -> VideoDigest:
        """Hash a file and its frames. Raises EngineError if it has no frames."""
        digest, count = hashlib.sha256(), 0
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                digest.update(f"{frame.width}x{frame.height} {frame.format.name}".encode())
                digest.update(frame.to_ndarray().tobytes())
                count += 1
        if not count:
            raise EngineError(f"{file.name} has no frames")
        return cls(hashlib.sha256(file.read_bytes()).hexdigest(), digest.hexdigest())
