"""Appearance of a puppet: skin, hair, clothes with patterns, shoes. Colours are RGB, 0..255."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

Color = tuple[int, int, int]

HAIR_STYLES = ("short", "long", "bun", "spiky", "bald", "cap")
PATTERNS = ("plain", "stripes", "bars", "dots", "emblem", "halves")
LEG_WEAR = ("trousers", "shorts", "skirt")

_SKIN = (
    (255, 224, 196),
    (240, 200, 165),
    (224, 172, 130),
    (190, 132, 92),
    (140, 92, 62),
    (98, 64, 44),
)
_UNUSUAL_SKIN = ((150, 200, 150), (160, 180, 230), (215, 170, 215))


@dataclass(frozen=True)
class Appearance:
    """Colours and styles of a character, the same in every frame."""

    skin: Color
    hair: Color
    hair_style: str
    eyes: Color
    shirt: Color
    pattern: str
    pattern_color: Color
    pattern_count: int
    sleeve: float  # 0 (none) .. 1 (to the elbow) .. 2 (to the wrist)
    leg_wear: str
    leg_color: Color
    shoes: Color
    outline: float  # 0 (none) .. 1 (strong)


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Sample the appearance of a character."""
    skin_tones = _UNUSUAL_SKIN if rng.uniform() < 0.1 else _SKIN
    shirt = sample_color(rng)
    return Appearance(
        skin=_jitter(rng, skin_tones[rng.integers(len(skin_tones))]),
        hair=sample_color(rng, value=(0.2, 0.8)),
        hair_style=str(rng.choice(HAIR_STYLES)),
        eyes=sample_color(rng, value=(0.1, 0.4)),
        shirt=shirt,
        pattern=str(rng.choice(PATTERNS)),
        pattern_color=sample_color(rng),
        pattern_count=int(rng.integers(2, 5)),
        sleeve=float(rng.choice([0.0, 0.5, 1.0, 2.0])),
        leg_wear=str(rng.choice(LEG_WEAR)),
        leg_color=sample_color(rng, value=(0.3, 0.85)),
        shoes=sample_color(rng, value=(0.25, 0.85)),
        outline=float(rng.choice([0.0, 0.25, 0.5])),
    )


def sample_color(
    rng: np.random.Generator,
    saturation: tuple[float, float] = (0.1, 0.65),
    value: tuple[float, float] = (0.38, 0.88),
) -> Color:
    """Sample a colour with any hue, and saturation and value (0..1) in the given ranges."""
    red, green, blue = colorsys.hsv_to_rgb(
        rng.uniform(), rng.uniform(*saturation), rng.uniform(*value)
    )
    return round(255 * red), round(255 * green), round(255 * blue)


def darker(color: Color, amount: float) -> Color:
    """Return the colour darkened by `amount`, 0..1."""
    red, green, blue = (round(channel * (1 - amount)) for channel in color)
    return red, green, blue


def _jitter(rng: np.random.Generator, color: Color) -> Color:
    red, green, blue = (int(np.clip(channel + rng.integers(-12, 13), 0, 255)) for channel in color)
    return red, green, blue
