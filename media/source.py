"""How the pictures of files come in: decoded in this process, or somewhere safer.

Who runs files of strangers gives `prepare` a source of his own, which has them decoded in a child
process by `media.child`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from media.image import read_image
from media.limits import MediaLimits
from media.video_reader import VideoReader


class Frames(Protocol):
    """A video that is being read, (height, width, 3) uint8 RGB frame by frame.

    Attributes:
        fps: frames per second.
        expected: how many frames there will be, as far as the file tells.
    """

    @property
    def fps(self) -> Fraction: ...

    @property
    def expected(self) -> int: ...

    def __iter__(self) -> Iterator[NDArray[np.uint8]]: ...


class MediaSource(Protocol):
    """Reads pictures and videos; raises what `read_image` and `VideoReader` raise."""

    def image(self, path: Path, limits: MediaLimits | None) -> NDArray[np.uint8]:
        """A still image, (height, width, 3) uint8 RGB."""

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """A video or a still image, open for the time of a block."""


class LocalMediaSource:
    """Decodes in this process: for files that the user of this process vouches for."""

    def image(self, path: Path, limits: MediaLimits | None) -> NDArray[np.uint8]:
        """See `MediaSource`."""
        return read_image(path, limits)

    def video(self, path: Path, limits: MediaLimits | None) -> AbstractContextManager[Frames]:
        """See `MediaSource`."""
        return nullcontext(VideoReader(path, limits))
