"""Sizes of networks that follow from the shapes of weights, to explain why a file does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# The first weight of each level, whose output has the level's width.
_LEVEL = re.compile(
    r"(?:encoder\.)?down_blocks\.(\d+)\.(?:resnets\.0\.conv1|motion_modules\.0\.norm)\.weight"
)
_CROSS_ATTENTION = re.compile(r".*attentions\.\d+\.transformer_blocks\.0\.attn2\.to_k\.weight")
Shapes = Mapping[str, Sequence[int]]


def size_differences(part: str, own: Shapes, expected: Shapes) -> list[str]:
    """Return the sizes in which a file and the preset differ, as sentences.

    Args:
        own, expected: shapes by key, of the file and of the preset's part.
    """
    found = []
    widths, wanted = _widths(own), _widths(expected)
    if widths != wanted:
        found.append(
            f"{part}: block_out_channels differ: {widths} in the file, {wanted} in the preset"
        )
    text, wanted_text = _text_width(own), _text_width(expected)
    if text != wanted_text:
        found.append(
            f"{part}: cross_attention_dim differs: {text} in the file, {wanted_text} in the preset"
        )
    return found


def _widths(shapes: Shapes) -> list[int]:
    levels = {int(m[1]): shape[0] for key, shape in shapes.items() if (m := _LEVEL.fullmatch(key))}
    return [levels[level] for level in sorted(levels)]


def _text_width(shapes: Shapes) -> int | None:
    keys = (key for key in shapes if _CROSS_ATTENTION.fullmatch(key))
    key = next(keys, None)
    return None if key is None else shapes[key][1]
