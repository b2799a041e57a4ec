"""Grey levels of 12, 16 and 32 bits and of floats, reduced to 8 bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MODES = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
# White in files of floats and of 32 bits, which do not say what it is.
_WHITE_LEVELS = (1, *(2**bits - 1 for bits in (8, 10, 12, 14, 16, 31, 32)))
# A picture whose lightest pixels are darker than this fraction of white has another white.
_DARKEST = 1 / 64
_SAMPLE = 1_000_000  # levels that are looked at
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _UNSIGNED = 258, 339, 1
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def to_eight_bits(
    name: str,
    image: Image.Image,
    tags: Mapping[int, Any],
    warn: Callable[[str], None],
) -> Image.Image:
    """Return an image of one of `MODES` with 8 bits per pixel, mode L.

    Args:
        name: file name for warnings.
        tags: the tags of a TIFF file; empty for other formats.
        warn: called when black and white had to be guessed from the levels.
    """
    levels, is_known = np.asarray(image), image.mode.startswith("I;16")
    bits: int = tags.get(_BITS_PER_SAMPLE, (16,))[0]
    if image.mode == "I" and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _UNSIGNED:
        levels = levels.view(np.uint32)
    if is_known:
        black, white = 0.0, 2.0**bits - 1
    elif image.mode == "I" and bits == 16:  # with a sign
        black, white = 0.0, 2.0**15 - 1
    else:
        black, white = _guess_range(levels)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        black, white = white, black
    if not is_known:
        warn(
            f"{name}: the file does not say which of its grey levels are black and white;"
            f" {black:g} was read as black and {white:g} as white"
        )
    lit = np.nan_to_num(levels.astype(np.float32)).clip(min(black, white), max(black, white))
    scaled = (lit - black) * (255 / (white - black))
    grey = Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8))
    grey.info = image.info
    return grey


def _guess_range(levels: NDArray[np.generic]) -> tuple[float, float]:
    """Return black and white: usual ones that fit nearly all levels, else the extremes."""
    sample = levels.ravel()[:: max(1, levels.size // _SAMPLE)]
    finite = sample[np.isfinite(sample)].astype(np.float64)
    if not len(finite):
        return 0.0, 1.0
    dark, light = np.percentile(finite, (1, 99))
    if dark >= 0:
        for white in _WHITE_LEVELS:
            if white * _DARKEST <= light <= white:
                return 0.0, float(white)
    darkest, lightest = min(0.0, float(finite.min())), float(finite.max())
    return darkest, lightest if lightest > darkest else darkest + 1
