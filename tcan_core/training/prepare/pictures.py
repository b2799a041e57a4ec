"""Contact sheet of kept and dropped clips, to check before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from media.contact_sheet import contact_sheet
from media.image import write_png
from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.training.prepare.candidates import Candidate
from tcan_core.training.prepare.clip_writers import PreparedClip
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


def cell_numbers(frames: int) -> list[int]:
    """Return the indices of the frames in a clip's row."""
    return [int(one) for one in np.linspace(0, frames - 1, min(_COLUMNS, frames)).round()]


def draw_clip(
    clip: Candidate, prepared: PreparedClip, frames: dict[int, NDArray[np.uint8]]
) -> ClipPicture:
    """Return a row with a few frames of a candidate, each as another of its crops.

    Those of a kept clip have skeletons.

    Args:
        frames: frames by their number in the clip, (height, width, 3).
    """
    span = f"{clip.frames.start}-{clip.frames.stop - 1}"
    label = f"{Path(prepared.video).name[-24:]}  frames {span}: {clip.kind}"
    cells = []
    for (number, frame), crop in zip(frames.items(), cycle(prepared.crops), strict=False):
        cell = crop.cut(frame, prepared.regions[number], prepared.size)
        if not clip.reasons:
            skeleton = draw_pose(prepared.pose(number, crop))
            cell = np.where(skeleton.any(axis=2, keepdims=True), skeleton, cell)
        cells.append(cell)
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
