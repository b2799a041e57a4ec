"""Videos for looking at a job frame by frame: several pictures of the same frame in one video.

One video needs no synchronization. It has a constant rate, no sound and a key frame every eight
frames, so that players find each frame by its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from media.video_writer import VideoWriter

Picture = NDArray[np.uint8]

MAX_SIDE = 1280
COLUMNS = 2
QUALITY, SPEED = 20, "veryfast"


@dataclass(frozen=True)
class Cell:
    """The place of a picture in the video, in pixels from the top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class ReviewLayout:
    """The layout of a review.

    Attributes:
        fps: frames per second as a fraction, such as 30000/1001.
        cells: places of the pictures by name, all of one size.
    """

    width: int
    height: int
    fps: str
    frames: int
    cells: dict[str, Cell]


class ReviewWriter:
    """A writer of one video of equal cells, two in a row, at most 1280 pixels on its longer side.

    Args:
        path: the mp4 file, which appears when the `with` block succeeds.
        fps: frames per second.
        names: names of the cells.
        size: (height, width) of most pictures, whose aspect the cells have.
    """

    def __init__(
        self, path: Path, fps: Fraction, names: Sequence[str], size: tuple[int, int]
    ) -> None:
        columns = min(COLUMNS, len(names))
        rows = -(-len(names) // columns)
        self.cell = fitted_size(size, (MAX_SIDE // rows, MAX_SIDE // columns))
        height, width = self.cell
        self._cells = {
            name: Cell(index % columns * width, index // columns * height, width, height)
            for index, name in enumerate(names)
        }
        self._size = rows * height, columns * width
        self._writer = exact_writer(path, fps, self._size)

    def __enter__(self) -> ReviewWriter:
        self._writer.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._writer.__exit__(*raised)

    def write(self, pictures: Mapping[str, Picture]) -> None:
        """Append one frame.

        Args:
            pictures: (height, width, 3) uint8 RGB of any size, one for each cell.
        """
        frame = np.zeros((*self._size, 3), np.uint8)
        for name, cell in self._cells.items():
            picture = resized(pictures[name], self.cell)
            top = cell.y + (cell.height - picture.shape[0]) // 2
            left = cell.x + (cell.width - picture.shape[1]) // 2
            frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        self._writer.write(frame)

    @property
    def layout(self) -> ReviewLayout:
        """The layout of what was written so far."""
        (height, width), fps = self._size, self._writer.fps
        return ReviewLayout(width, height, as_text(fps), self._writer.num_frames, self._cells)


def exact_writer(path: Path, fps: Fraction, size: tuple[int, int]) -> VideoWriter:
    """Return a writer of a small video whose frames players find by their number."""
    return VideoWriter(path, fps, size, crf=QUALITY, preset=SPEED, frame_exact=True)


def as_text(fps: Fraction) -> str:
    """Return a rate as a fraction, such as 25/1."""
    return f"{fps.numerator}/{fps.denominator}"


def fitted_size(size: tuple[int, int], largest: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width), both even, of pictures that are made smaller to fit, never larger."""
    ratio = min(1.0, *(limit / side for side, limit in zip(size, largest, strict=True)))
    height, width = (max(2, round(side * ratio / 2) * 2) for side in size)
    return height, width


def resized(picture: Picture, largest: tuple[int, int]) -> Picture:
    """Return a picture, (height, width, 3), as large as fits into (height, width)."""
    ratio = min(limit / side for side, limit in zip(picture.shape, largest, strict=False))
    height, width = (
        max(1, min(limit, round(side * ratio)))
        for side, limit in zip(picture.shape, largest, strict=False)
    )
    if picture.shape[:2] == (height, width):
        return picture
    how = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def filled(picture: Picture, size: tuple[int, int]) -> Picture:
    """Return a picture of exactly this (height, width), nearly its aspect; its border repeats."""
    small = resized(picture, size)
    padding = ((0, size[0] - small.shape[0]), (0, size[1] - small.shape[1]), (0, 0))
    return np.pad(small, padding, mode="edge")
