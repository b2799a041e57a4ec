"""The outputs of a job in its record.

Gateways of earlier releases of contract 3 refuse a record with other names under `outputs` than
theirs, so later outputs are in a field of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from service.contract.job import Output
from service.contract.review import Review, ReviewCell

KNOWN = frozenset(Output)
FIRST_OUTPUTS = frozenset(
    (Output.RESULT, Output.POSTER, Output.POSE, Output.MANIFEST, Output.KEYPOINTS)
)


def output_fields(outputs: Mapping[Output, str], review: Review | None) -> dict[str, str]:
    """Return the fields of a record for these object keys and the layout of the review."""
    first = {output: key for output, key in outputs.items() if output in FIRST_OUTPUTS}
    later = {output: key for output, key in outputs.items() if output not in FIRST_OUTPUTS}
    fields = {"outputs": json.dumps(first)}
    fields |= {"later_outputs": json.dumps(later)} if later else {}
    return fields | ({} if review is None else {"review": pack_review(review)})


def read_outputs(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the outputs in a record's fields; those of releases after this one are ignored."""
    outputs = fields.get("outputs", {}) | fields.get("later_outputs", {})
    return {name: key for name, key in outputs.items() if name in KNOWN}


def pack_review(review: Review) -> str:
    """Return the layout as a JSON array: by name it would take as much of a record as all outputs.

    All cells have one size, which stands once.
    """
    (size,) = {(cell.width, cell.height) for cell in review.cells.values()}
    corners = {name: (cell.x, cell.y) for name, cell in review.cells.items()}
    packed = (review.width, review.height, review.fps, review.frames, *size, corners)
    return json.dumps(packed, separators=(",", ":"))


def unpack_review(packed: Sequence[Any]) -> Review:
    """Return the layout that `pack_review` packed, from its parsed JSON."""
    width, height, fps, frames, cell_width, cell_height, corners = packed
    cells = {
        name: ReviewCell(x=x, y=y, width=cell_width, height=cell_height)
        for name, (x, y) in corners.items()
    }
    return Review(width=width, height=height, fps=fps, frames=frames, cells=cells)
