"""The pose-driven temperature map (PTM): how freely each pixel may mix the frames of a window.

Source: TCAN, arXiv 2407.09012; half a diagonal as unit and tau = 3 are from the official code.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from tcan_core.errors import ParameterError


def temperature_map(pose_maps: NDArray[np.uint8], tau: float = 3.0) -> NDArray[np.float32]:
    """Return T = 1 + tau * D.

    D is the Euclidean distance from each pixel to the nearest skeleton pixel of any frame, in units
    of half of the image diagonal.

    Args:
        pose_maps: (frames, height, width, 3) uint8, skeletons on black. They must not have been
            compressed with loss, which makes skeletons larger.
        tau: increase of temperature over half a diagonal; 0 disables PTM.

    Returns:
        (height, width) float32, 1 on the skeletons; all ones when no frame has a skeleton.

    Raises:
        ParameterError: another shape, no pixels, or a negative tau.
    """
    if pose_maps.ndim != 4 or pose_maps.shape[-1] != 3 or 0 in pose_maps.shape[1:]:
        raise ParameterError(
            f"pose_maps has shape {pose_maps.shape}; it must be (frames, height, width, 3)"
        )
    if not 0 <= tau < np.inf:
        raise ParameterError(f"tau is {tau}; it must be 0 or above")
    drawn: NDArray[np.bool_] = np.asarray(pose_maps.any(axis=(0, 3)))
    if not drawn.any():
        return np.ones(drawn.shape, np.float32)
    half_diagonal = np.hypot(*drawn.shape) / 2
    return np.asarray(1 + tau * _distance(drawn) / half_diagonal, np.float32)


def _distance(drawn: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the distance in pixels from each pixel to the nearest drawn one.

    The last bit of OpenCV's square roots depends on memory alignment. The squares are integers, so
    rounding them (safe below 2,000 pixels) makes the distances, and with them a seed's video,
    reproducible.
    """
    elsewhere = (~drawn).astype(np.uint8)
    rough = cv2.distanceTransform(elsewhere, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.sqrt(np.rint(np.square(rough.astype(np.float64))))
