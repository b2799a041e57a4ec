"""The watermark: a pattern of signs over the low spatial frequencies of an image.

It is spread spectrum in the two-dimensional cosine transform of the whole image. Coefficient
(u, v) has u half waves vertically and v horizontally for any image size, so a resized image has
the same signs at the same coefficients, and no alignment is needed. All frames of a video have the
same watermark, so the detector can sum them.

A watermark carries 32 bits as four symbols of 8 bits. Each symbol has one pattern per value, drawn
from the key; another pattern marks the presence of a watermark. Signs are independent and fair. So
for any image that is independent of the key, the score of a pattern (see `detect`) exceeds t with
a probability of at most exp(-t^2 / 2), by Hoeffding's inequality.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

VERSION = 1
# The default key is public: with it anyone can find and remove the watermarks that use it.
PUBLIC_KEY = b"tcan"
MIN_FREQUENCY, MAX_FREQUENCY = 12, 128  # half waves per image
SIDE = MAX_FREQUENCY + 1
# Encoding removes the highest tenth of an image's frequencies.
MAX_SIDE_SHARE = 0.9
SYMBOLS, SYMBOL_BITS = 4, 8
PAYLOAD_BITS = SYMBOLS * SYMBOL_BITS
PRESENCE_SHARE = 0.5  # of the watermark's energy
STRENGTH = 1.0  # root mean square, of 255: 48 dB
# Shorter side in pixels. Smaller images have too few coefficients: a watermark of this strength
# does not survive a second encoding, and is visible as grain when the image is enlarged.
MIN_SIDE = 256

Signs = NDArray[np.int8]


def presence(key: bytes) -> Signs:
    """Return the presence pattern of a key, (SIDE, SIDE) of -1 and 1."""
    return _signs(key, "presence")


def symbol(key: bytes, position: int, value: int) -> Signs:
    """Return the pattern of a value, 0..255, of the symbol at a position, 0..3."""
    return _signs(key, f"symbol {position} {value}")


def band(height: int, width: int) -> NDArray[np.bool_]:
    """Return which coefficients an image of this size uses, at most (SIDE, SIDE)."""
    down = np.arange(min(height, SIDE))[:, None]
    across = np.arange(min(width, SIDE))[None, :]
    waves = np.hypot(down, across)
    fits = (down < MAX_SIDE_SHARE * height) & (across < MAX_SIDE_SHARE * width)
    return (waves >= MIN_FREQUENCY) & (waves <= MAX_FREQUENCY) & fits


def no_watermark_reason(height: int, width: int) -> str | None:
    """Return why images of this size get no watermark; None when they get one."""
    if min(height, width) >= MIN_SIDE:
        return None
    minimum = f"{MIN_SIDE}x{MIN_SIDE}"
    return f"{width}x{height} is too small for an invisible watermark; the minimum is {minimum}"


def pattern(height: int, width: int, payload: int, key: bytes) -> NDArray[np.float32]:
    """Return the watermark that is added to the brightness, (height, width), in units of 0..255.

    Args:
        height: image height in pixels.
        width: image width in pixels.
        payload: 32 bits.
        key: see `Watermarker`.
    """
    mixed = np.sqrt(PRESENCE_SHARE) * presence(key)
    for position, value in enumerate(payload.to_bytes(SYMBOLS, "big")):
        mixed = mixed + np.sqrt((1 - PRESENCE_SHARE) / SYMBOLS) * symbol(key, position, value)
    used = band(height, width)
    waves = np.zeros((height, width))
    rows, columns = used.shape
    waves[:rows, :columns] = np.where(used, mixed[:rows, :columns], 0.0)
    picture = idctn(waves, norm="ortho")
    return (STRENGTH / max(float(picture.std()), 1e-9) * picture).astype(np.float32)


def _signs(key: bytes, name: str) -> Signs:
    seed = hashlib.sha256(b"%d %s %s" % (VERSION, name.encode(), key)).digest()
    drawn = np.random.Generator(np.random.Philox(key=int.from_bytes(seed[:16])))
    return (2 * drawn.integers(0, 2, (SIDE, SIDE), dtype=np.int8) - 1).astype(np.int8)
