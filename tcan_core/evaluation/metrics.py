"""Metrics of frames against ground truth, and of their stability over time.

Frames are uint8 RGB in 0..255; a clip is (frames, height, width, 3). Differences are in levels of
255. Metrics defined per frame are averaged over frames. A frame without any pixel of the measured
region is left out; a clip without such a pixel gives `nan`.

Shapes: f frames, h height, w width
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tcan_core.errors import InputError

Frames = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Metric = Callable[[Frames, Frames], float]

PEAK = 255.0
PSNR_EXACT = 100.0  # dB; keeps means finite
SSIM_SIGMA = 1.5
SSIM_RADIUS = 5  # an 11 x 11 window
SSIM_C1 = (0.01 * PEAK) ** 2
SSIM_C2 = (0.03 * PEAK) ** 2


def l1(result: Frames, truth: Frames) -> float:
    """Return the mean absolute difference of two clips, (f, h, w, 3), in levels of 255."""
    return _over_frames(_frame_l1, result, truth)


def psnr(result: Frames, truth: Frames) -> float:
    """Return the mean PSNR over frames in dB; an exact frame counts as 100."""
    return _over_frames(lambda one, other: _psnr(_squares(one, other)), result, truth)


def ssim(result: Frames, truth: Frames) -> float:
    """Return the mean structural similarity of two clips, (f, h, w, 3), at most 1.

    Uses a Gaussian window of 11x11 with sigma 1.5 per colour channel, over the pixels whose window
    lies inside the frame.

    Raises:
        InputError: a side is shorter than the window.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity.
    """
    height, width = truth.shape[1:3]
    if min(height, width) <= 2 * SSIM_RADIUS:
        raise InputError(f"frames are {width}x{height}; SSIM needs at least 11x11")
    return _over_frames(_frame_ssim, result, truth)


def moving_region_mask(source: Frames, truth: Frames, threshold: int = 12, grow: int = 1) -> Mask:
    """Return the mask of pixels where the truth differs from the source image.

    Args:
        source: (h, w, 3).
        truth: (f, h, w, 3).
        threshold: a pixel moves if any channel differs by more than this, in levels of 255.
        grow: dilation of the region in pixels, including diagonals.

    Returns:
        (f, h, w), the moving region of each frame.
    """
    moves: Mask = (np.abs(truth.astype(np.int16) - source) > threshold).any(axis=-1)
    if grow == 0:
        return moves
    square = np.ones((1, 3, 3), dtype=bool)
    return np.asarray(ndimage.binary_dilation(moves, square, iterations=grow))


def moving_region_psnr(result: Frames, truth: Frames, moving: Mask) -> float:
    """Return the mean over frames of the PSNR in the moving region in dB; exact counts as 100.

    Args:
        result: (f, h, w, 3).
        truth: (f, h, w, 3).
        moving: (f, h, w), from `moving_region_mask`.
    """
    _check_shapes(result, truth)
    values = [
        _psnr(_squares(one[mask], other[mask]))
        for one, other, mask in zip(result, truth, moving, strict=True)
        if mask.any()
    ]
    return _mean(values)


def flicker(result: Frames, truth: Frames, moving: Mask) -> float:
    """Return how much more the result flickers than the truth, in levels of 255.

    This is the mean absolute second difference over time of the result in the moving region, minus
    that of the truth: 0 is as steady as the truth, negative is smoother. Needs three frames.
    """
    _check_shapes(result, truth)
    return _jerk(result, moving) - _jerk(truth, moving)


def flicker_error(result: Frames, truth: Frames, moving: Mask) -> float:
    """Return the mean absolute second difference over time of the error, in levels of 255.

    Measured in the moving region. It is at least 0; unlike in `flicker`, missing motion and false
    motion do not cancel out.
    """
    _check_shapes(result, truth)
    error = result.astype(np.int16) - truth
    return _jerk(error, moving)


def background_motion(result: Frames, still: Mask) -> float:
    """Return the mean absolute first difference over time in the background, in levels of 255.

    Args:
        result: (f, h, w, 3), at least two frames.
        still: (h, w), mask of the pixels that are background in every frame of the truth.
    """
    changes = [
        float(np.abs(after[still].astype(np.int16) - before[still]).mean())
        for before, after in zip(result, result[1:], strict=False)
        if still.any()
    ]
    return _mean(changes)


def _jerk(frames: NDArray[np.uint8] | NDArray[np.int16], moving: Mask) -> float:
    """Return the mean absolute second difference; the mask is that of the middle frame."""
    neighbours = zip(frames[:-2], frames[1:-1], frames[2:], moving[1:-1], strict=True)
    values = [
        float(np.abs(before - 2 * middle.astype(np.int32) + after)[mask].mean())
        for before, middle, after, mask in neighbours
        if mask.any()
    ]
    return _mean(values)


def _over_frames(measure: Metric, result: Frames, truth: Frames) -> float:
    _check_shapes(result, truth)
    return _mean([measure(one, other) for one, other in zip(result, truth, strict=True)])


def _check_shapes(result: Frames, truth: Frames) -> None:
    if result.shape != truth.shape:
        raise InputError(f"the result is {result.shape}, the truth is {truth.shape}")


def _frame_l1(result: Frames, truth: Frames) -> float:
    return float(np.abs(result.astype(np.int16) - truth).mean())


def _squares(result: Frames, truth: Frames) -> float:
    return float(np.square(result.astype(np.float64) - truth).mean())


def _psnr(mean_square: float) -> float:
    return min(10 * math.log10(PEAK**2 / mean_square), PSNR_EXACT) if mean_square else PSNR_EXACT


def _frame_ssim(result: Frames, truth: Frames) -> float:
    one, other = result.astype(np.float64), truth.astype(np.float64)
    mean_one, mean_other = _blur(one), _blur(other)
    variance_one = _blur(one * one) - mean_one**2
    variance_other = _blur(other * other) - mean_other**2
    covariance = _blur(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + SSIM_C1) / (mean_one**2 + mean_other**2 + SSIM_C1)
    structure = (2 * covariance + SSIM_C2) / (variance_one + variance_other + SSIM_C2)
    inside = slice(SSIM_RADIUS, -SSIM_RADIUS)
    return float((luminance * structure)[inside, inside].mean())


def _blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
    sigma = (SSIM_SIGMA, SSIM_SIGMA, 0)
    return np.asarray(ndimage.gaussian_filter(image, sigma, radius=(SSIM_RADIUS, SSIM_RADIUS, 0)))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
