"""Sources of training clips: videos, folders of frames, and folders of separate pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from media.image import image_size, read_image
from media.video_reader import VideoReader
from tcan_core.errors import ConfigError, MediaError
from tcan_core.training.clip_folders import IMAGES, POSES, by_number

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".gif")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif")
ImageKind = Literal["frames", "pictures"]


@dataclass(frozen=True)
class FrameFolder:
    """The frames of one clip as images of equal size, in order."""

    paths: tuple[Path, ...]
    fps: Fraction

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames in pixels."""
        return image_size(self.paths[0])

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Read the frames, each (height, width, 3).

        Raises:
            MediaError: an image is damaged, or has another size than the first.
        """
        height, width = self.size
        for path in self.paths:
            frame = read_image(path)
            if frame.shape[:2] != self.size:
                raise MediaError(
                    f"{path.name} has {frame.shape[1]}x{frame.shape[0]} pixels, but "
                    f"{self.paths[0].name} has {width}x{height}; the frames of a clip have one "
                    "size. Give separate pictures with --images pictures"
                )
            yield frame


Frames = VideoReader | FrameFolder


@dataclass(frozen=True)
class Source:
    """A video, or a folder of images.

    Attributes:
        name: path relative to the prepared folder.
        images: the images of a folder, in the order of their numbers; empty for a video.
    """

    name: str
    path: Path
    images: tuple[Path, ...] = ()


def find_sources(place: Path, without: Path | None = None) -> list[Source]:
    """Return the videos and the folders of images under a folder, sorted by path.

    Poses that were drawn beside `images` are left out, and so is what a hidden folder holds.

    Args:
        place: a folder, or one video.
        without: a folder whose files are left out, such as that of the result.

    Raises:
        ConfigError: there is none, or no such folder.
    """
    if not place.exists():
        raise ConfigError(f"{place}: not found; name a folder of videos or images, or one video")
    root = place.parent if place.is_file() else place
    found = [place] if place.is_file() else sorted(place.rglob("*"))
    files = [path for path in found if path.is_file() and _is_usable(path, root, without)]
    images = dict[Path, list[Path]]()
    for path in files:
        if path.suffix.lower() in PICTURE_SUFFIXES:
            images.setdefault(path.parent, []).append(path)
    videos = [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]
    sources = [Source(path.relative_to(root).as_posix(), path) for path in videos]
    sources += [
        Source(_folder_name(folder, root), folder, tuple(sorted(paths, key=by_number)))
        for folder, paths in images.items()
    ]
    if not sources:
        raise ConfigError(
            f"{place}: no videos or images found; supported are "
            f"{', '.join(VIDEO_SUFFIXES + PICTURE_SUFFIXES)}"
        )
    return sorted(sources, key=lambda source: source.path)


def _is_usable(path: Path, root: Path, without: Path | None) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    is_result = without is not None and without.resolve() in path.resolve().parents
    is_pose = path.parent.name == POSES and (path.parent.parent / IMAGES).is_dir()
    return not (is_hidden or is_result or is_pose)


def _folder_name(folder: Path, root: Path) -> str:
    """Return the name of a folder of images, such as "00001" for 00001/images."""
    named = folder.parent if folder.name == IMAGES and folder != root else folder
    return named.relative_to(root).as_posix() if named != root else root.resolve().name
