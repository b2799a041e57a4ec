"""Watermarks are invisible, survive re-encoding, and are found only where they are."""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import pytest

from media.watermark.detect import MIN_SCORE
from media.watermark.embed import Watermarker
from media.watermark.pattern import (
    MIN_SIDE,
    STRENGTH,
    band,
    no_watermark_reason,
    pattern,
    presence,
)
from tcan_core.errors import ParameterError
from tcan_core.puppets.world import FIRST_TEST_SEED
from tests.media.watermark.videos import PAYLOAD, Trial, detect, puppet_frames, try_watermark

VIDEOS = 20
CHANGES = ("result", "half", "resized")


@pytest.mark.long
def test_watermark_survives_half_the_bit_rate_and_resizing(tmp_path: Path) -> None:
    """One short video; the slow tests have twenty."""
    frames = puppet_frames(tmp_path / "pair", FIRST_TEST_SEED + 900, 8, 384)
    tried = try_watermark(tmp_path, frames)
    assert tried.psnr_db > 40
    assert all(tried.found[change].found for change in CHANGES), tried
    assert tried.found["result"].payload == PAYLOAD
    assert not tried.found["unmarked"].found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_watermark_survives_in_twenty_videos_of_512(tmp_path: Path) -> None:
    tried = try_many(tmp_path, 512, 24)
    for change in CHANGES:
        assert sum(one.found[change].found for one in tried) == VIDEOS
    assert not any(one.found["unmarked"].found for one in tried)
    assert min(one.psnr_db for one in tried) > 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_watermark_survives_in_the_smallest_allowed_videos(tmp_path: Path) -> None:
    tried = try_many(tmp_path, MIN_SIDE, 24)
    for change in ("result", "resized"):
        assert sum(one.found[change].found for one in tried) == VIDEOS
    assert not any(one.found["unmarked"].found for one in tried)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [64, 128])
def test_watermark_in_smaller_videos_would_not_survive(tmp_path: Path, size: int) -> None:
    """The reason for the minimum size: a second encoding removes most of these watermarks."""
    tried = try_many(tmp_path, size, 24)
    assert not any(one.found["unmarked"].found for one in tried)
    assert sum(one.found["half"].found for one in tried) <= VIDEOS // 10


@pytest.mark.parametrize("shape", [(64, 64), (MIN_SIDE - 1, 512)])
def test_small_pictures_stay_as_they_are_and_it_is_said(shape: tuple[int, int]) -> None:
    grey = np.full((*shape, 3), 128, np.uint8)
    assert np.array_equal(Watermarker(PAYLOAD)(grey), grey)
    assert f"{shape[1]}x{shape[0]}" in (no_watermark_reason(*shape) or "")
    assert no_watermark_reason(MIN_SIDE, MIN_SIDE) is None


def try_many(folder: Path, size: int, frames: int) -> list[Trial]:
    """Try videos of different puppets, and print the results."""
    tried = []
    for index in range(VIDEOS):
        place = folder / f"{index}"
        place.mkdir()
        seed = FIRST_TEST_SEED + 910 + index
        tried.append(try_watermark(place, puppet_frames(place / "pair", seed, frames, size)))
    print(f"\n{size}x{size}, {frames} frames: change, found, payload read, scores min/median/max")
    for change in tried[0].found:
        results = [one.found[change] for one in tried]
        scores = [one.score for one in results]
        read = sum(one.payload == PAYLOAD for one in results)
        spread = f"{min(scores):.1f} {statistics.median(scores):.1f} {max(scores):.1f}"
        print(f"{change:9} {sum(one.found for one in results)} of {VIDEOS}, {read}, {spread}")
    for name in ("psnr_db", "bit_rate", "half_rate"):
        values = [getattr(one, name) for one in tried]
        print(f"{name}: {min(values):.2f} {statistics.median(values):.2f} {max(values):.2f}")
    return tried


def test_scores_without_a_watermark_are_random() -> None:
    """The scores of 300 images of noise have unit variance and stay below the threshold."""
    chosen = band(64, 64)
    rows, columns = chosen.shape
    signs = presence(b"tcan")[:rows, :columns][chosen].astype(np.float64)
    noise = np.random.default_rng(0).laplace(size=(300, len(signs)))
    scores = noise @ signs / np.linalg.norm(noise, axis=1)
    assert abs(float(scores.std()) - 1) < 0.15
    assert float(np.abs(scores).max()) < MIN_SCORE - 1


def test_watermark_depends_on_payload_and_key() -> None:
    grey = np.full((256, 256, 3), 128, np.uint8)
    assert np.array_equal(Watermarker(7)(grey), Watermarker(7)(grey))
    assert not np.array_equal(Watermarker(7)(grey), Watermarker(8)(grey))
    assert detect([Watermarker(PAYLOAD)(grey)]).payload == PAYLOAD
    assert not detect([Watermarker(PAYLOAD, b"another key")(grey)]).found
    assert detect([]).found is detect([grey]).found is False


def test_pattern_has_the_same_strength_at_any_size() -> None:
    for height, width in ((64, 64), (512, 384), (48, 200)):
        assert float(pattern(height, width, 1, b"k").std()) == pytest.approx(STRENGTH, rel=1e-3)


def test_payload_over_32_bits_is_rejected() -> None:
    with pytest.raises(ParameterError, match="at most 32 bits"):
        Watermarker(1 << 32)
