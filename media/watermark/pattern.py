"""What a mark is: a pattern of signs over the slow waves of a picture.

Spread spectrum in the two-dimensional cosine transform of the whole picture. A coefficient (u, v)
has u half waves down and v half waves across, whatever the size of the picture, so a resized
picture holds the same signs in the same places, and nothing needs to be aligned. The mark is the
same in every frame: a video's frames add up.

A mark carries 32 bits as four symbols. Each symbol has one pattern per value (256), drawn from the
key; one more pattern says that there is a mark at all. Signs are independent and fair, so over any
picture that does not know the key the score of a pattern (see `detect`) passes t with a probability
of at most exp(-t^2 / 2), by Hoeffding's inequality, whatever the picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.fft import idctn

VERSION = 1
# Known to all: who has the program can find the mark of everybody who uses this key, and wipe it.
PUBLIC_KEY = b"tcan"
SLOWEST, FASTEST = 12, 128  # half waves in the picture
SIDE = FASTEST + 1
# A picture's own last tenth of waves does not outlive encoding.
MOST_OF_SIDE = 0.9
SYMBOLS, SYMBOL_BITS = 4, 8
PAYLOAD_BITS = SYMBOLS * SYMBOL_BITS
PRESENCE_SHARE = 0.5  # of the mark's energy
STRENGTH = 1.0  # root mean square, of 255: 48 dB
# Of the shorter side. Smaller pictures have too few waves for a mark that is not seen: one of this
# strength does not outlive a second encoding, and they are looked at enlarged, where it is grain.
LEAST_SIDE = 256

Signs = NDArray[np.int8]


def presence(key: bytes) -> Signs:
    """The pattern of every mark of a key, (SIDE, SIDE) of -1 and 1."""
    return _signs(key, "presence")


def symbol(key: bytes, place: int, value: int) -> Signs:
    """The pattern of one value, 0..255, in one of the four places."""
    return _signs(key, f"symbol {place} {value}")


def band(height: int, width: int) -> NDArray[np.bool_]:
    """Which coefficients a picture of this size has for a mark, at most (SIDE, SIDE)."""
    down = np.arange(min(height, SIDE))[:, None]
    across = np.arange(min(width, SIDE))[None, :]
    waves = np.hypot(down, across)
    fits = (down < MOST_OF_SIDE * height) & (across < MOST_OF_SIDE * width)
    return (waves >= SLOWEST) & (waves <= FASTEST) & fits


def no_watermark_reason(height: int, width: int) -> str | None:
    """Why pictures of this size bear no mark; None where they do."""
    if min(height, width) >= LEAST_SIDE:
        return None
    least = f"{LEAST_SIDE}x{LEAST_SIDE}"
    return f"pictures of {width}x{height} hold no mark that is not seen; those of {least} do"


def symbols_of(payload: int) -> Sequence[int]:
    """The four values of 32 bits, the highest first."""
    return payload.to_bytes(SYMBOLS, "big")


def pattern(height: int, width: int, payload: int, key: bytes) -> NDArray[np.float32]:
    """What is added to the brightness of a picture, (height, width), in units of 0..255.

    Args:
        payload: 0 up to 2^32.
    """
    mixed = np.sqrt(PRESENCE_SHARE) * presence(key)
    for place, value in enumerate(symbols_of(payload)):
        mixed = mixed + np.sqrt((1 - PRESENCE_SHARE) / SYMBOLS) * symbol(key, place, value)
    chosen = band(height, width)
    waves = np.zeros((height, width))
    rows, columns = chosen.shape
    waves[:rows, :columns] = np.where(chosen, mixed[:rows, :columns], 0.0)
    picture = idctn(waves, norm="ortho")
    return (STRENGTH / max(float(picture.std()), 1e-9) * picture).astype(np.float32)


def _signs(key: bytes, name: str) -> Signs:
    seed = hashlib.sha256(b"%d %s %s" % (VERSION, name.encode(), key)).digest()
    drawn = np.random.Generator(np.random.Philox(key=int.from_bytes(seed[:16])))
    return (2 * drawn.integers(0, 2, (SIDE, SIDE), dtype=np.int8) - 1).astype(np.int8)
