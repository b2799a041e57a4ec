import math

import numpy as np
import pytest

from tcan_core.errors import InputError
from tcan_core.evaluation import metrics
from tcan_core.evaluation.metrics import Frames


def grey(*levels: int, size: int = 16) -> Frames:
    """Return a clip of flat frames, (len(levels), size, size, 3)."""
    return np.stack([np.full((size, size, 3), level, dtype=np.uint8) for level in levels])


def noisy(seed: int, frames: int = 3, size: int = 20) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3), dtype=np.uint8)


def test_l1_is_in_levels_of_255() -> None:
    assert metrics.l1(grey(10, 20), grey(13, 10)) == pytest.approx((3 + 10) / 2)
    assert metrics.l1(grey(0), grey(255)) == 255


def test_psnr_is_the_mean_over_frames() -> None:
    expected = np.mean([20 * math.log10(255 / 5), 20 * math.log10(255 / 50)])

    assert metrics.psnr(grey(100, 100), grey(105, 50)) == pytest.approx(expected)


def test_psnr_of_the_truth_is_finite() -> None:
    assert metrics.psnr(grey(7), grey(7)) == 100


def test_ssim_of_the_truth_is_one_and_noise_is_near_zero() -> None:
    assert metrics.ssim(noisy(0), noisy(0)) == pytest.approx(1)
    assert abs(metrics.ssim(noisy(0), noisy(1))) < 0.1


def test_ssim_equals_its_definition() -> None:
    one, other = noisy(0, frames=1, size=14), noisy(0, frames=1, size=14) // 2 + 30

    assert metrics.ssim(one, other) == pytest.approx(_slow_ssim(one[0], other[0]), abs=1e-9)


def _slow_ssim(one: Frames, other: Frames) -> float:
    ramp = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(ramp, ramp) / np.outer(ramp, ramp).sum()
    values = []
    for y in range(5, one.shape[0] - 5):
        for x in range(5, one.shape[1] - 5):
            for channel in range(3):
                a, b = (
                    i[y - 5 : y + 6, x - 5 : x + 6, channel].astype(float) for i in (one, other)
                )
                mean_a, mean_b = (window * a).sum(), (window * b).sum()
                var_a, var_b = (
                    (window * (a - mean_a) ** 2).sum(),
                    (window * (b - mean_b) ** 2).sum(),
                )
                both = (window * (a - mean_a) * (b - mean_b)).sum()
                c1, c2 = 2.55**2, 7.65**2
                top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
                values.append(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return float(np.mean(values))


def test_ssim_rejects_frames_smaller_than_its_window() -> None:
    with pytest.raises(InputError, match="10x10"):
        metrics.ssim(grey(0, size=10), grey(0, size=10))


def test_moving_region_is_the_dilated_difference_to_the_source() -> None:
    source, truth = grey(50, size=9)[0], grey(50, 50, size=9)
    truth[0, 4, 4, 1] = 50 + 13
    truth[1, 4, 4, :] = 50 - 12

    moving = metrics.moving_region_mask(source, truth)

    expected = np.zeros((9, 9), dtype=bool)
    expected[3:6, 3:6] = True
    np.testing.assert_array_equal(moving[0], expected)
    assert not moving[1].any()
    assert metrics.moving_region_mask(source, truth, grow=0).sum() == 1


def test_moving_region_psnr_ignores_other_pixels() -> None:
    truth, result = grey(100, 100), grey(0, 0)
    moving = np.zeros((2, 16, 16), dtype=bool)
    moving[0, 2:5, 2:5] = True
    result[0, 2:5, 2:5] = 105

    value = metrics.moving_region_psnr(result, truth, moving)

    assert value == pytest.approx(20 * math.log10(255 / 5))
    assert math.isnan(metrics.moving_region_psnr(result, truth, np.zeros_like(moving)))


def test_flicker_is_relative_to_the_truth() -> None:
    everywhere = np.ones((5, 16, 16), dtype=bool)
    steady, shaking = grey(10, 20, 30, 40, 50), grey(10, 24, 26, 44, 46)

    assert metrics.flicker(steady, steady, everywhere) == 0
    assert metrics.flicker(shaking, steady, everywhere) == pytest.approx((12 + 16 + 16) / 3)
    assert metrics.flicker(steady, shaking, everywhere) < 0
    assert metrics.flicker_error(steady, shaking, everywhere) == pytest.approx((12 + 16 + 16) / 3)


def test_flicker_ignores_pixels_outside_the_moving_region() -> None:
    truth, result = grey(10, 10, 10), grey(10, 10, 10)
    result[1, 0, 0] = 90
    moving = np.ones((3, 16, 16), dtype=bool)
    moving[:, 0, 0] = False

    assert metrics.flicker(result, truth, moving) == 0


def test_background_motion_is_the_mean_change_between_frames() -> None:
    still = np.zeros((16, 16), dtype=bool)
    still[:, :8] = True
    result = grey(10, 13, 12)
    result[1, :, 8:] = 200

    assert metrics.background_motion(result, still) == pytest.approx((3 + 1) / 2)
    assert math.isnan(metrics.background_motion(result, np.zeros_like(still)))
    assert math.isnan(metrics.background_motion(result[:1], still))


@pytest.mark.parametrize("metric", [metrics.l1, metrics.psnr, metrics.ssim])
def test_clips_of_different_lengths_are_rejected(metric: metrics.Metric) -> None:
    with pytest.raises(InputError, match=r"\(2, 16, 16, 3\), the truth is \(3, 16, 16, 3\)"):
        metric(grey(0, 0), grey(0, 0, 0))
