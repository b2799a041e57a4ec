"""Pictures for the classifier of puppets: puppets, pictures of other things, and empty ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tcan_core.puppets.background import draw_background
from tcan_core.puppets.world import sample_scene

Picture = NDArray[np.uint8]
Random = np.random.Generator
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_SIDE, MAX_ASPECT = 256, 4  # pixels to which pictures are scaled down; longer side by shorter
PER_FOLDER = 700  # pictures at most
_LARGE_BYTES, _MAX_BYTES = 400_000, 6_000_000  # decoded at an eighth of the size; left out
_MOTION_FRAMES = 8
# The share of the pictures that training never sees: 1 of HELD_OUT, by the digest of their name.
HELD_OUT = 3


def read_pictures(folders: Iterable[Path], *, held_out: bool) -> Iterator[tuple[Path, Picture]]:
    """Yield pictures of folders, searched recursively, (height, width, 3) uint8 RGB each.

    Args:
        held_out: whether to yield the pictures for tests, or those for training.
    """
    for folder in folders:
        files = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
        chosen = [file for file in files if (_digest(file)[0] % HELD_OUT == 0) is held_out]
        for file in sorted(chosen, key=_digest)[:PER_FOLDER]:
            picture = _decode(file.read_bytes())
            if picture is not None:
                yield file, picture


def _digest(file: Path) -> bytes:
    return hashlib.sha256(file.name.encode()).digest()


def _decode(content: bytes) -> Picture | None:
    """Decode a picture at a small size, on a plain color if it is transparent, or return None."""
    if len(content) > _MAX_BYTES:
        return None
    data = np.frombuffer(content, np.uint8)
    large = len(content) > _LARGE_BYTES
    flags = cv2.IMREAD_REDUCED_COLOR_8 if large else cv2.IMREAD_UNCHANGED
    decoded = cv2.imdecode(data, flags)
    if decoded is None or decoded.dtype != np.uint8:
        return None
    if max(decoded.shape[:2]) > MAX_ASPECT * min(decoded.shape[:2]):
        return None
    picture = decoded if decoded.ndim == 3 else np.repeat(decoded[..., None], 3, axis=2)
    if picture.shape[2] == 4:
        opacity = picture[..., 3:] / 255
        paper = (255, 0, 128)[len(content) % 3]
        picture = np.asarray(picture[..., :3] * opacity + paper * (1 - opacity), np.uint8)
    scale = min(MAX_SIDE / max(picture.shape[:2]), 1.0)
    size = [max(round(side * scale), 1) for side in picture.shape[1::-1]]
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small[..., ::-1])


def draw_puppet(seed: int, size: int) -> Picture:
    """Draw a puppet, (size, size, 3): as a source image for odd seeds, as a frame for even ones."""
    scene = sample_scene(seed, _MOTION_FRAMES, size)
    if seed % 2:
        return scene.source.draw(scene.source_pose)[0]
    poses = scene.driving.poses(scene.motion)
    return scene.driving.draw(poses[seed // 2 % _MOTION_FRAMES])[0]


def draw_nothing(rng: Random, size: int) -> Picture:
    """Draw one color, noise, blurred noise, or a puppet's background, (size, size, 3)."""
    kind = int(rng.integers(6))
    flat = np.full((size, size, 3), rng.integers(0, 256, 3 if kind else 1), np.float64)
    if kind <= 1:
        return flat.astype(np.uint8)
    if kind == 2:
        return rng.integers(0, 256, (size, size, 3), np.uint8)
    if kind == 3:
        cells = int(rng.choice([2, 4, 8, 16]))
        noise = rng.integers(0, 256, (cells, cells, 3), np.uint8)
        return np.asarray(cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)
    base = flat * rng.uniform() ** 2 if kind == 4 else draw_background(rng, size)
    channels = int(rng.choice([1, 3]))
    noisy = base + rng.normal(0, rng.uniform(0, 60), (size, size, channels))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def vary(picture: Picture, rng: Random) -> Picture:
    """Crop, mirror, compress, blur or relight a picture at random."""
    height, width = picture.shape[:2]
    if rng.uniform() < 0.6:
        rows, columns = (int(rng.uniform(0.35, 1) * side) + 1 for side in (height, width))
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        picture = picture[top : top + rows, left : left + columns]
    if rng.uniform() < 0.15:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 4)), np.uint8)
    if rng.uniform() < 0.1:
        picture = np.repeat(picture.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    return degrade(picture, rng)


def vary_puppet(picture: Picture, rng: Random) -> Picture:
    """Scale, shift and pad a puppet a little, mirror, compress, soften or relight it at random."""
    size = picture.shape[0]
    scale = rng.uniform(0.85, 1.15)
    shift = (1 - scale) * size / 2 + rng.uniform(-0.08, 0.08, 2) * size
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    moved = cv2.warpAffine(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    if rng.uniform() < 0.3:  # a wide or a tall picture
        before, after = (int(side) for side in rng.uniform(0, 0.5, 2) * size)
        sides = [(before, after), (0, 0)][:: 1 if rng.uniform() < 0.5 else -1]
        border = cv2.BORDER_REPLICATE if rng.uniform() < 0.6 else cv2.BORDER_CONSTANT
        color = [int(rng.choice([0, 255]))] * 3
        moved = cv2.copyMakeBorder(moved, *sides[0], *sides[1], border, value=color)
    return degrade(np.asarray(moved, np.uint8), rng)


def degrade(picture: Picture, rng: Random) -> Picture:
    """Mirror, relight, soften or compress a picture at random, as cameras and videos do."""
    if rng.uniform() < 0.5:
        picture = picture[:, ::-1]
    if rng.uniform() < 0.15:
        light = (picture.astype(np.float64) - 128) * rng.uniform(0.6, 1.3) + 128
        picture = np.asarray(np.clip(light + rng.uniform(-25, 25), 0, 255), np.uint8)
    if rng.uniform() < 0.1:
        soft = rng.uniform(0.3, 0.8) * max(picture.shape) / 64
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), soft), np.uint8)
    if rng.uniform() < 0.5:
        quality = int(rng.integers(25, 96))
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(picture)
