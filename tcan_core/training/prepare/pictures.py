"""A sheet of what was kept and dropped, to look at before anything is trained on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from media.contact_sheet import contact_sheet
from media.image import write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.training.prepare.candidates import Candidate
from tcan_core.training.prepare.crops import Square
from tcan_core.training.storage import Storage

SHEET = "sheet.png"
_COLUMNS = 6
_MOST_ROWS = 60
_CELL = 96


@dataclass(frozen=True)
class ClipPicture:
    """A row of the sheet."""

    label: str
    frames: list[NDArray[np.uint8]]


class SheetRows:
    """As many pictures as a sheet has rows, spread evenly over all that are added.

    Of many clips every second one is kept, then every fourth, and so on: those of hours of video
    would fill the memory.
    """

    def __init__(self, most: int = _MOST_ROWS) -> None:
        self.rows: list[ClipPicture] = []
        self._most, self._every, self._added = most, 1, 0

    def add(self, show: Callable[[], ClipPicture]) -> None:
        """Add a clip; it is drawn if it is to be shown."""
        if self._added % self._every == 0:
            self.rows.append(show())
        self._added += 1
        if len(self.rows) > self._most:
            self.rows = self.rows[::2]
            self._every *= 2


def show_clip(
    name: str,
    clip: Candidate,
    square: Square,
    frames: NDArray[np.uint8],
    size: int,
) -> ClipPicture:
    """Return a few frames of a candidate, the kept ones with their skeletons.

    Args:
        frames: (frames, size, size, 3); all of a kept clip, some of a dropped one.
    """
    span = f"{clip.frames.start}-{clip.frames.stop - 1}"
    label = f"{Path(name).name[-24:]}  frames {span}: {clip.kind}"
    numbers = np.linspace(0, len(frames) - 1, min(_COLUMNS, len(frames))).round().astype(int)
    shown = [frames[number] for number in numbers]
    if not clip.reasons:
        drawn = [draw_pose(square.move(clip.poses[number], size)) for number in numbers]
        shown = [
            np.where(skeleton.any(axis=2, keepdims=True), skeleton, frame)
            for skeleton, frame in zip(drawn, shown, strict=True)
        ]
    return ClipPicture(label, shown)


def put_sheet(storage: Storage, pictures: list[ClipPicture]) -> None:
    """Store the sheet."""
    sheet = contact_sheet(
        [row.frames for row in pictures], [row.label for row in pictures], cell_height=_CELL
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / SHEET
        write_png(file, sheet)
        storage.put(SHEET, file)
