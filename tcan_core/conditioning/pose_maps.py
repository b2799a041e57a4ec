"""A video of drawn skeletons, or of other maps, with only a few frames in memory.

Frames are drawn on demand, or read from an archive of `write_pose_maps`; both give the same bytes.
Maps that a user made are kept as PNGs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from media.frame_writers import open_writer
from media.poses.keypoints import Pose
from tcan_core.conditioning.skeleton import OPENPOSE, draw_pose
from tcan_core.errors import MediaError
from tcan_core.models.weights.preset_sections import SkeletonStyle

Map = NDArray[np.uint8]
_ANY_RATE = Fraction(1)  # images in an archive have none


class PoseMaps(Protocol):
    """The skeletons of a video by frame, all of one size."""

    def __len__(self) -> int:
        """Frames of the video."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""

    def frame(self, index: int) -> Map:
        """Return one frame's skeleton on black, (height, width, 3) uint8 RGB."""


class DrawnPoseMaps:
    """Skeletons that are drawn on demand.

    Args:
        poses: one per frame, at least one, all on one canvas.
        style: the preset's.
    """

    def __init__(self, poses: Sequence[Pose], style: SkeletonStyle = OPENPOSE) -> None:
        self._poses, self._style = poses, style

    def __len__(self) -> int:
        return len(self._poses)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the canvas."""
        return self._poses[0].canvas

    def frame(self, index: int) -> Map:
        """Draw one frame, (height, width, 3) uint8 RGB; see `draw_pose`."""
        return draw_pose(self._poses[index], style=self._style)


class StoredPoseMaps:
    """Skeletons in a zip of PNGs, `00000.png` and so on; other members are ignored.

    Args:
        path: a file of `write_pose_maps`.

    Raises:
        MediaError: the file is missing or damaged, or has no frame.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile) as error:
            raise MediaError(f"{path.name}: not a readable archive ({error})") from error
        self._count = sum(name.endswith(".png") for name in self._archive.namelist())
        if not self._count:
            raise MediaError(f"{path.name}: it contains no image")
        self._size = self.frame(0).shape[:2]

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images."""
        return self._size[0], self._size[1]

    def frame(self, index: int) -> Map:
        """Read one frame, (height, width, 3) uint8 RGB. Raises MediaError."""
        try:
            stream = io.BytesIO(self._archive.read(f"{index:05d}.png"))
            return np.asarray(Image.open(stream).convert("RGB"))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise MediaError(f"{self._path.name}: frame {index} is damaged ({error})") from error


def write_pose_maps(
    path: Path, maps: PoseMaps, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write a zip of PNGs, without loss and atomically.

    Args:
        path: ends in `.zip`.
        progress: called after each frame with the frames done and their total; may raise.
    """
    with open_writer(path, _ANY_RATE, maps.size) as writer:
        for index in range(len(maps)):
            writer.write(maps.frame(index))
            if progress is not None:
                progress(index + 1, len(maps))


class EncodedMaps:
    """Maps in memory as PNGs, which are small for flat colours; see `PoseMaps`.

    Args:
        frames: a PNG per frame, at least one, all of one size.
    """

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        height, width = self.frame(0).shape[:2]
        return height, width

    def frame(self, index: int) -> Map:
        """Decode one frame, (height, width, 3) uint8 RGB."""
        return np.asarray(Image.open(io.BytesIO(self._frames[index])))


class ResizedMaps:
    """Maps stretched to the model's size, (height, width), when they are read; see `PoseMaps`."""

    def __init__(self, maps: PoseMaps, size: tuple[int, int]) -> None:
        self._maps, self.size = maps, size

    def __len__(self) -> int:
        return len(self._maps)

    def frame(self, index: int) -> Map:
        """Return one frame, (height, width, 3) uint8 RGB."""
        frame, (height, width) = self._maps.frame(index), self.size
        if frame.shape[:2] == self.size:
            return frame
        return np.asarray(
            cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8
        )


class PaddedPoseMaps:
    """Pose maps that repeat their last frame.

    Args:
        maps: at least one frame.
        multiple: the number of frames becomes a multiple of it.
    """

    def __init__(self, maps: PoseMaps, multiple: int) -> None:
        self._maps = maps
        self._count = -(-len(maps) // multiple) * multiple

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self._maps.size

    def frame(self, index: int) -> Map:
        """Return one frame, (height, width, 3) uint8 RGB."""
        return self._maps.frame(min(index, len(self._maps) - 1))


def write_map_video(path: Path, maps: PoseMaps, fps: Fraction) -> None:
    """Write a video of maps, in the format of the suffix."""
    with open_writer(path, fps, maps.size) as writer:
        for index in range(len(maps)):
            writer.write(maps.frame(index))


class RecentPoseMaps:
    """A cache of the most recent frames, which neighbouring windows share.

    Args:
        keep_bytes: memory of the cache, which has room for at least one frame.
    """

    def __init__(self, maps: PoseMaps, keep_bytes: int = 64 * 2**20) -> None:
        height, width = maps.size
        self._frame = lru_cache(max(1, keep_bytes // (height * width * 3)))(maps.frame)

    def frames(self, indices: Sequence[int]) -> Map:
        """Return some frames, (frames, height, width, 3) uint8 RGB."""
        return np.stack([self._frame(index) for index in indices])
