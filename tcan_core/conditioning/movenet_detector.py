"""MoveNet MultiPose for real people: up to six bodies in a frame, without hands and faces."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.conversion import to_openpose18
from media.poses.joints import Layout
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.detector_weights import detector_files
from tcan_core.conditioning.onnx_runtime import import_onnxruntime, load_network

FILE = "multipose_lightning.onnx"
LONGER_SIDE = 256  # pixels to which frames are scaled, as the network's authors recommend
_MULTIPLE = 32  # both sides of the network's input are multiples of it
_NUM_JOINTS = 17  # COCO's
# A person below MIN_PERSON, and a joint below MIN_JOINT, counts as not detected.
MIN_PERSON, MIN_JOINT, MIN_JOINTS = 0.15, 0.2, 5


class MovenetDetector:
    """A detector of up to six people in a frame, without hands and faces.

    Args:
        file: the ONNX file; by default the one that is shipped.
        device: "cpu", or "cuda" or "cuda:N" with onnxruntime's GPU build.

    Raises:
        ConfigError: the extra `movenet`, or the device's provider, is not installed.
        ParameterError: there is no such device.
        WeightsError: the file is missing or damaged, or its digest is wrong.
    """

    def __init__(self, file: Path | None = None, device: str = "cpu") -> None:
        onnxruntime = import_onnxruntime("movenet", device)
        file = file or detector_files("movenet", (FILE,)) / FILE
        kind, _, index = device.partition(":")
        provider = (
            ("CUDAExecutionProvider", {"device_id": int(index or 0)})
            if kind == "cuda"
            else "CPUExecutionProvider"
        )
        self._network = load_network(
            file, lambda path: onnxruntime.InferenceSession(path, providers=[provider])
        )
        self._input = self._network.get_inputs()[0].name

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame; see `detectors.PoseDetector`."""
        return [self._people(frame) for frame in frames]

    def _people(self, frame: NDArray[np.uint8]) -> list[Pose]:
        padded, scale = _padded(frame)
        [[people]] = self._network.run(None, {self._input: padded[None].astype(np.int32)})
        poses = [
            _pose(row[: 3 * _NUM_JOINTS], padded.shape, scale, frame)
            for row in people
            if row[-1] >= MIN_PERSON
        ]
        return [pose for pose in poses if pose.detected.sum() >= MIN_JOINTS]


def _padded(frame: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Scale a frame and pad it with black below and to the right; return it and the scale."""
    scale = LONGER_SIDE / max(frame.shape[:2])
    height, width = (max(round(side * scale), 1) for side in frame.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(frame, (width, height), interpolation=method), np.uint8)
    margins = ((0, -height % _MULTIPLE), (0, -width % _MULTIPLE), (0, 0))
    return np.pad(scaled, margins), scale


def _pose(row: Floats, padded: tuple[int, ...], scale: float, frame: NDArray[np.uint8]) -> Pose:
    """Convert y, x, confidence of each joint, as fractions of the padded frame."""
    joints = row.reshape(_NUM_JOINTS, 3).astype(np.float64)
    x, y = joints[:, 1] * padded[1] / scale, joints[:, 0] * padded[0] / scale
    confidence = np.where(joints[:, 2] < MIN_JOINT, 0.0, joints[:, 2].clip(0.0, 1.0))
    points = np.column_stack([x, y, confidence]).ravel().tolist()
    body = np.reshape(to_openpose18(points, Layout.COCO17), (-1, 3))
    return Pose(body[:, :2], body[:, 2], (frame.shape[0], frame.shape[1]))
