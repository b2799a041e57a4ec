"""Fit images to the model: scale to its resolution, pad to the latent factor, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose

FitKind = Literal["keep", "stretch"]


@dataclass(frozen=True)
class Fit:
    """The mapping of an image of any size to the model's size, and back.

    Attributes:
        original: (height, width) of the caller's image.
        scaled: (height, width) at the model's resolution.
        padded: `scaled`, extended at the right and the bottom to multiples of the latent factor.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    padded: tuple[int, int]

    def to_model(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Scale an image and pad it by repeating its border."""
        scaled = _resized(image, self.scaled)
        below, right = (
            after - before for before, after in zip(self.scaled, self.padded, strict=True)
        )
        return np.pad(scaled, ((0, below), (0, right), (0, 0)), mode="edge")

    def to_caller(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop the padding and scale back to the caller's size."""
        return _resized(
            np.ascontiguousarray(image[: self.scaled[0], : self.scaled[1]]), self.original
        )

    def pose(self, pose: Pose) -> Pose:
        """Map a pose from the caller's image to the model's."""
        ratio = np.array([self.scaled[1] / self.original[1], self.scaled[0] / self.original[0]])
        return on_canvas(pose, ratio, self.padded)


def fit_to(original: tuple[int, int], resolution: int, factor: int, kind: FitKind = "keep") -> Fit:
    """Return the fit with shorter side `resolution` and sides padded to multiples of `factor`.

    Args:
        kind: "keep" keeps the aspect ratio; "stretch" makes both sides `resolution`.

    The longer side is not limited here; `MediaLimits.max_aspect` limits that of uploaded images.
    """
    ratio = resolution / min(original)
    scaled = (max(round(original[0] * ratio), 1), max(round(original[1] * ratio), 1))
    if kind == "stretch":
        scaled = (resolution, resolution)
    padded = (-(-scaled[0] // factor) * factor, -(-scaled[1] // factor) * factor)
    return Fit(original, scaled, padded)


def move_to_canvas(poses: list[Pose], canvas: tuple[int, int]) -> list[Pose]:
    """Move poses to another canvas, scaled by its height and centred horizontally."""
    moved = []
    for pose in poses:
        ratio = canvas[0] / pose.canvas[0]
        shift = np.array([(canvas[1] - pose.canvas[1] * ratio) / 2, 0.0])
        moved.append(on_canvas(pose, np.array([ratio, ratio]), canvas, shift))
    return moved


def on_canvas(
    pose: Pose,
    ratio: NDArray[np.float64],
    canvas: tuple[int, int],
    shift: NDArray[np.float64] | None = None,
) -> Pose:
    """Scale every point of a pose by `ratio` (x, y), shift it (pixels), and set its canvas."""
    shift = np.zeros(2) if shift is None else shift

    def points(part: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if part is None else np.column_stack([part[:, :2] * ratio + shift, part[:, 2]])

    return Pose(
        pose.keypoints * ratio + shift, pose.confidence, canvas,
        points(pose.hand_left), points(pose.hand_right), points(pose.face),
    )  # fmt: skip


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[:2] == size:
        return image
    shrinks = size[0] < image.shape[0]
    resized = cv2.resize(
        image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return np.asarray(resized, np.uint8)
