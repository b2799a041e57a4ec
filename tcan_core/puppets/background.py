"""Still backgrounds: a gradient, a floor, and fixed shapes that make camera motion visible."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tcan_core.puppets.appearance import Color, sample_color

SUPERSAMPLING = 2
_MUTED = (0.05, 0.5)
_LIGHT = (0.4, 0.95)


def draw_background(rng: np.random.Generator, size: int) -> NDArray[np.uint8]:
    """Draw a random background, (size, size, 3) uint8 RGB."""
    zoomed = SUPERSAMPLING * size
    picture = _gradient(rng, zoomed)
    horizon = round(zoomed * rng.uniform(0.6, 0.85))
    if rng.uniform() < 0.7:
        picture[horizon:] = _blend(picture[horizon:], sample_color(rng, _MUTED, _LIGHT), 0.8)
    for _ in range(rng.integers(1, 6)):
        _draw_shape(picture, rng, zoomed)
    averaged = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(averaged, 0, 255).astype(np.uint8)


def _gradient(rng: np.random.Generator, size: int) -> NDArray[np.float32]:
    first, second = (np.array(sample_color(rng, _MUTED, _LIGHT), np.float32) for _ in range(2))
    second = first + rng.uniform(0.2, 0.8) * (second - first)
    angle = rng.uniform(0, 2 * np.pi)
    ys, xs = (np.mgrid[0:size, 0:size] / size - 0.5).astype(np.float32)
    place = np.clip(np.cos(angle) * xs + np.sin(angle) * ys + 0.5, 0, 1)[..., None]
    return np.asarray(first + place * (second - first), np.float32)


def _draw_shape(picture: NDArray[np.float32], rng: np.random.Generator, size: int) -> None:
    """Draw one translucent window, disc, post or slope on the image."""
    layer = picture.copy()
    color = tuple(float(channel) for channel in sample_color(rng, _MUTED, _LIGHT))
    x, y = (int(value) for value in rng.uniform(0, size, 2))
    kind = rng.integers(4)
    if kind == 0:
        width, height = (int(value) for value in rng.uniform(0.1, 0.35, 2) * size)
        cv2.rectangle(layer, (x, y), (x + width, y + height), color, -1)
    elif kind == 1:
        cv2.circle(layer, (x, y), int(rng.uniform(0.05, 0.18) * size), color, -1)
    elif kind == 2:
        cv2.rectangle(layer, (x, 0), (x + int(rng.uniform(0.03, 0.09) * size), size), color, -1)
    else:
        reach = int(rng.uniform(0.2, 0.5) * size)
        slope = np.array(
            [[x - reach, size], [x, min(y + size // 4, size)], [x + reach, size]], np.int32
        )
        cv2.fillConvexPoly(layer, slope, color)
    opacity = rng.uniform(0.35, 0.9)
    picture[:] = (1 - opacity) * picture + opacity * layer


def _blend(area: NDArray[np.float32], color: Color, opacity: float) -> NDArray[np.float32]:
    return np.asarray((1 - opacity) * area + opacity * np.array(color, np.float32), np.float32)
