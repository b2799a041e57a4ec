"""A small copy of a driving video, made while its frames are read, for reviews.

The copy has the frames that were detected, no more and no fewer: what is trimmed is not in it, and
a video of variable rate is resampled already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from media.limits import MediaLimits
from media.video_reader import read_video
from media.video_writer import VideoWriter
from tcan_core.pipelines.review import MAX_SIDE, exact_writer, filled, fitted_size

# A copy is this process' own file.
NO_LIMITS = MediaLimits(
    max_bytes=2**62,
    max_frames=2**31,
    max_duration_s=1e9,
    max_video_pixels=2**62,
    min_side=1,
)


class DriverCopy:
    """A copy that is written frame by frame, and complete at the end of a `with` block.

    Args:
        path: the mp4 file; absent if no frame was kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._writer: VideoWriter | None = None

    def __enter__(self) -> DriverCopy:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._writer is not None:
            self._writer.__exit__(*raised)

    def keep(self, frame: NDArray[np.uint8], fps: Fraction) -> None:
        """Append one frame, (height, width, 3) uint8 RGB."""
        if self._writer is None:
            height, width = frame.shape[:2]
            size = fitted_size((height, width), (MAX_SIDE // 2, MAX_SIDE // 2))
            self._writer = exact_writer(self.path, fps, size).__enter__()
        self._writer.write(filled(frame, self._writer.size))

    def content(self) -> bytes | None:
        """Return the file, or None if no frame was kept; after the `with` block."""
        return None if self._writer is None else self.path.read_bytes()


@contextmanager
def temporary_copy() -> Iterator[DriverCopy]:
    """Make a copy in a temporary folder, which is deleted at the end of the block."""
    with TemporaryDirectory() as folder:
        yield DriverCopy(Path(folder) / "driver.mp4")


def copied_frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a copy, (height, width, 3) uint8 RGB."""
    return read_video(path, limits=NO_LIMITS)
