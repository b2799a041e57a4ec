"""Sources of decoded images: this process, or a sandbox.

A service that decodes untrusted files passes its own source to `prepare`, which decodes them in a
child process by `media.child`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from media.audio import extract_sound
from media.image import read_image
from media.image_file import ignore_warning
from media.limits import MediaLimits, PoseFileLimits
from media.poses.archive import pose_files
from media.poses.document import Files
from media.video_reader import VideoReader


class Frames(Protocol):
    """A video that is read frame by frame, (height, width, 3) uint8 RGB each.

    Attributes:
        fps: frames per second.
        expected: number of frames that the file declares.
        warnings: sentences for the user on how the file is read.
    """

    @property
    def fps(self) -> Fraction: ...

    @property
    def expected(self) -> int: ...

    @property
    def warnings(self) -> Sequence[str]: ...

    def __iter__(self) -> Iterator[NDArray[np.uint8]]: ...


class MediaSource(Protocol):
    """A reader of images and videos; it raises the errors of `read_image` and `VideoReader`."""

    def image(
        self,
        path: Path,
        limits: MediaLimits | None,
        warn: Callable[[str], None] = ignore_warning,
    ) -> NDArray[np.uint8]:
        """Return a still image, (height, width, 3) uint8 RGB."""

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """Open a video or a still image for the length of a `with` block."""

    def poses(self, path: Path, limits: PoseFileLimits) -> Files:
        """Return name and content of the files of a pose file, a folder or a zip."""

    def sound(self, path: Path, warn: Callable[[str], None], start_s: float) -> bytes | None:
        """Return a video's sound as an mp4 file, or None; see `extract_sound`."""


class LocalMediaSource:
    """A source that decodes trusted files in this process."""

    def image(
        self,
        path: Path,
        limits: MediaLimits | None,
        warn: Callable[[str], None] = ignore_warning,
    ) -> NDArray[np.uint8]:
        """See `MediaSource`."""
        return read_image(path, limits, warn)

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """See `MediaSource`."""
        return nullcontext(VideoReader(path, limits))

    def poses(self, path: Path, limits: PoseFileLimits) -> Files:
        """See `MediaSource`."""
        return pose_files(path, limits)

    def sound(self, path: Path, warn: Callable[[str], None], start_s: float) -> bytes | None:
        """See `MediaSource`."""
        return extract_sound(path, warn, start_s)
