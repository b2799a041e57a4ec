"""Detector of puppets: a small heatmap network, for one character per frame."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.models.devices import check_device
from tcan_core.models.networks.pose_detector import (
    Subject,
    build_pose_detector,
    build_subject_head,
    decode_heatmaps,
)
from tcan_core.models.weights.loading import load_strictly
from tcan_core.models.weights.part_files import read_part
from tcan_core.models.weights.presets import load_preset

# Joints with less confidence than JOINT_THRESHOLD count as not detected; a frame with fewer joints
# than MIN_JOINTS has no person.
JOINT_THRESHOLD = 0.3
MIN_JOINTS = 6
SURELY_PUPPET = 0.7  # probability from which a frame shows a puppet
SURELY_EMPTY = 0.9  # probability from which a frame without a puppet has no person
MIN_CONTRAST = 4.0  # standard deviation of a frame's colors, of 255, below which it shows nothing


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
        self._head = build_subject_head(preset)
        load_strictly(self._network, read_part(preset, "pose_detector"), "pose_detector")
        load_strictly(self._head, read_part(preset, "subject_head"), "subject_head")
        self._network.eval().to(device)
        self._head.to(device)

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame: one, or none.

        Args:
            frames: (frames, height, width, 3) uint8 RGB.
        """
        height, width = frames.shape[1:3]
        logits, shares = self._run(frames)
        keypoints, confidence = decode_heatmaps(logits)
        points = keypoints.double().numpy() / (self._side / max(height, width))
        scores = confidence.double().numpy()
        scores = np.where(scores >= JOINT_THRESHOLD, scores, 0.0)
        is_empty = (shares[:, Subject.NOTHING] > SURELY_EMPTY).numpy()
        has_person = ((scores > 0).sum(axis=1) >= MIN_JOINTS) & ~is_empty
        return [
            [Pose(joints, seen, (height, width))] if found else []
            for joints, seen, found in zip(points, scores, has_person, strict=True)
        ]

    def subjects(self, frames: NDArray[np.uint8]) -> list[Subject]:
        """Return what each frame shows.

        Args:
            frames: (frames, height, width, 3) uint8 RGB.
        """
        shares = self._run(frames)[1].numpy()
        is_puppet = shares[:, Subject.PUPPET] >= SURELY_PUPPET
        others = 1 + shares[:, 1:].argmax(axis=1)  # nothing, or something else
        return [Subject(int(index)) for index in np.where(is_puppet, Subject.PUPPET, others)]

    @torch.inference_mode()
    def _run(self, frames: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
        """Return heatmap logits, and the probability of each `Subject`, (frames, 3)."""
        squares = np.stack([to_square(frame, self._side) for frame in frames])
        images = torch.from_numpy(squares).permute(0, 3, 1, 2).float() / 127.5 - 1
        logits, features = self._network.forward_with_features(images.to(self._device))
        shares = self._head(features).softmax(dim=1).cpu()
        is_flat = squares.std(axis=(1, 2)).max(axis=1) < MIN_CONTRAST
        shares[is_flat] = torch.eye(len(Subject))[Subject.NOTHING]
        return logits.cpu(), shares


@cache
def puppet_detector(device: str = "cpu") -> PuppetDetector:
    """Return the detector, loaded once per device; see `PuppetDetector`."""
    return PuppetDetector(device=device)


def to_square(frame: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Scale a frame into the top left corner of a square, and repeat its border in the rest."""
    scale = side / max(frame.shape[:2])
    height, width = (max(round(length * scale), 1) for length in frame.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(frame, (width, height), interpolation=method), np.uint8)
    return np.pad(scaled, ((0, side - height), (0, side - width), (0, 0)), mode="edge")
