"""Contact sheets: many images in one, in labelled rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from media.errors import ParameterError

_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def contact_sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    labels: Sequence[str] = (),
    *,
    titles: Sequence[str] = (),
    cell_height: int = 128,
    gap: int = 4,
) -> NDArray[np.uint8]:
    """Arrange rows of images on a white sheet.

    Args:
        rows: images, (height, width, 3) uint8, of any sizes; rows may differ in length.
        labels: one per row, written to its left.
        titles: one per column, written above it.
        cell_height: height of every image on the sheet in pixels; small images are enlarged
            without interpolation.
        gap: pixels between images.

    Returns:
        (height, width, 3) uint8.

    Raises:
        ParameterError: there are no images, or the numbers of labels and rows differ.
    """
    if not rows or not any(len(row) for row in rows):
        raise ParameterError("a contact sheet needs at least one image")
    if labels and len(labels) != len(rows):
        raise ParameterError(f"there are {len(labels)} labels for {len(rows)} rows")
    cells = [[_scale(picture, cell_height) for picture in row] for row in rows]
    widths = _column_widths(cells)
    font_size = max(10, cell_height // 9)
    font = ImageFont.load_default(size=font_size)
    label_width = (
        max((round(font.getlength(label)) for label in labels), default=-2 * gap) + 2 * gap
    )
    top = round(font_size * 1.4) + gap if titles else gap
    lefts = [label_width + gap + sum(widths[:i]) + i * gap for i in range(len(widths) + 1)]
    sheet = Image.new("RGB", (lefts[-1], top + len(rows) * (cell_height + gap)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for title, x in zip(titles, lefts, strict=False):
        draw.text((x, top - gap), title, fill=_INK, font=font, anchor="lb")
    for index, row in enumerate(cells):
        y = top + index * (cell_height + gap)
        if labels:
            draw.text((gap, y + cell_height // 2), labels[index], fill=_INK, font=font, anchor="lm")
        for cell, x in zip(row, lefts, strict=False):
            sheet.paste(cell, (x, y))
    return np.array(sheet)


def _scale(picture: NDArray[np.uint8], height: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    factor = height / image.height
    size = (max(1, round(image.width * factor)), height)
    return image.resize(size, Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS)


def _column_widths(cells: list[list[Image.Image]]) -> list[int]:
    columns = max(len(row) for row in cells)
    return [max(row[i].width for row in cells if i < len(row)) for i in range(columns)]
