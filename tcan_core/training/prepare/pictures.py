"""Contact sheet of kept and dropped clips, to check before training."""

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
_MAX_ROWS = 60
_CELL = 96


@dataclass(frozen=True)
class ClipPicture:
    """A row of the sheet."""

    label: str
    frames: list[NDArray[np.uint8]]


class SheetRows:
    """A bounded number of rows, spread evenly over all clips that are added.

    When there are too many, every second row is dropped and only every second, then every fourth,
    clip is added, so that hours of video do not fill the memory.
    """

    def __init__(self, max_rows: int = _MAX_ROWS) -> None:
        self.rows: list[ClipPicture] = []
        self._max_rows, self._every, self._added = max_rows, 1, 0

    def add(self, draw: Callable[[], ClipPicture]) -> None:
        """Add a clip; `draw` is called only if the clip gets a row."""
        if self._added % self._every == 0:
            self.rows.append(draw())
        self._added += 1
        if len(self.rows) > self._max_rows:
            self.rows = self.rows[::2]
            self._every *= 2


def draw_clip(
    name: str,
    clip: Candidate,
    square: Square,
    frames: NDArray[np.uint8],
    size: int,
) -> ClipPicture:
    """Return a row with a few frames of a candidate; a kept one is drawn with its skeletons.

    Args:
        name: name of the video.
        frames: (frames, size, size, 3); all frames of a kept clip, some of a dropped one.
    """
    span = f"{clip.frames.start}-{clip.frames.stop - 1}"
    label = f"{Path(name).name[-24:]}  frames {span}: {clip.kind}"
    numbers = np.linspace(0, len(frames) - 1, min(_COLUMNS, len(frames))).round().astype(int)
    cells = [frames[number] for number in numbers]
    if not clip.reasons:
        skeletons = [draw_pose(square.move(clip.poses[number], size)) for number in numbers]
        cells = [
            np.where(skeleton.any(axis=2, keepdims=True), skeleton, frame)
            for skeleton, frame in zip(skeletons, cells, strict=True)
        ]
    return ClipPicture(label, cells)


def put_sheet(storage: Storage, pictures: list[ClipPicture]) -> None:
    """Store the sheet."""
    sheet = contact_sheet(
        [row.frames for row in pictures], [row.label for row in pictures], cell_height=_CELL
    )
    with TemporaryDirectory() as folder:
        file = Path(folder) / SHEET
        write_png(file, sheet)
        storage.put(SHEET, file)
