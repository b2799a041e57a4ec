"""Contact sheets of evaluated pairs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

import numpy as np

from media.contact_sheet import contact_sheet
from media.video_reader import read_video
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import Pair
from tcan_core.evaluation.truth import Truth

SHEET_FRAMES = 6


def pair_sheet(pair: Pair, truth: Truth, results: Mapping[str, Frames]) -> Frames:
    """Return a sheet with frames of driving video, truth and results, (f, h, w, 3), one per row."""
    positions = np.linspace(0, len(truth.frames) - 1, min(SHEET_FRAMES, len(truth.frames)))
    numbers = sorted({round(position) for position in positions})
    driving_frames = list(islice(read_video(pair.driving_video_path), len(truth.frames)))
    rows = {"driving": driving_frames, "truth": list(truth.frames)}
    rows |= {f"by {driving}": list(result) for driving, result in results.items()}
    blank = np.full_like(truth.source, 255)
    return contact_sheet(
        [
            [truth.source if label == "driving" else blank, *(row[number] for number in numbers)]
            for label, row in rows.items()
        ],
        list(rows),
        titles=["source", *map(str, numbers)],
    )
