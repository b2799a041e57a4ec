"""Detector of puppets: a small heatmap network, for one character per frame."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.models.devices import check_device
from tcan_core.models.networks.pose_detector import build_pose_detector, decode_heatmaps
from tcan_core.models.weights.loading import load_strictly, read_part
from tcan_core.models.weights.presets import load_preset

# Joints with less confidence than JOINT_THRESHOLD count as not detected; a frame with fewer joints
# than MIN_JOINTS has no person.
JOINT_THRESHOLD = 0.3
MIN_JOINTS = 6


class PuppetDetector:
    """A detector of one character per frame, which is scaled and padded to a square.

    Raises:
        ParameterError: the device is not available.
        WeightsError: the weights are missing or damaged.
    """

    def __init__(self, preset_name: str = "mini", device: str = "cpu") -> None:
        check_device(device)
        self._device = device
        preset = load_preset(preset_name)
        self._side = preset.resolution
        self._network = build_pose_detector(preset)
        load_strictly(self._network, read_part(preset, "pose_detector"), "pose_detector")
        self._network.eval().to(device)

    @torch.inference_mode()
    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame: one, or none.

        Args:
            frames: (frames, height, width, 3) uint8 RGB.
        """
        height, width = frames.shape[1:3]
        scale = self._side / max(height, width)
        squares = np.stack([_square(frame, self._side, scale) for frame in frames])
        images = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 127.5 - 1
        keypoints, confidence = decode_heatmaps(self._network(images.to(self._device)).cpu())
        points = keypoints.double().numpy() / scale
        scores = confidence.double().numpy()
        scores = np.where(scores >= JOINT_THRESHOLD, scores, 0.0)
        return [
            [Pose(joints, seen, (height, width))] if (seen > 0).sum() >= MIN_JOINTS else []
            for joints, seen in zip(points, scores, strict=True)
        ]


def _square(frame: NDArray[np.uint8], side: int, scale: float) -> NDArray[np.uint8]:
    """Scale a frame into the top left corner of a square, and repeat its border in the rest."""
    height, width = (max(round(length * scale), 1) for length in frame.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(frame, (width, height), interpolation=method), np.uint8)
    return np.pad(scaled, ((0, side - height), (0, side - width), (0, 0)), mode="edge")
