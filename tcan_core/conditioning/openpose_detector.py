"""OpenPose for real people, by controlnet-aux: bodies, then hands and faces in crops.

OpenPose's licence allows non-commercial use only.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from media.poses.joints import NUM_FACE_JOINTS, NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats, detected_or_none
from tcan_core.conditioning.detector_weights import detector_files
from tcan_core.errors import ConfigError, WeightsError
from tcan_core.models.devices import check_device

FILES = ("body_pose_model.pth", "hand_pose_model.pth", "facenet.pth")
SHORTER_SIDE = 512  # pixels to which frames are scaled; crops of hands need the detail
_FACE_THRESHOLD = 0.05  # of a heatmap's peak, as in controlnet-aux


class OpenposeDetector:
    """A detector of all people in a frame, with hands and faces.

    Args:
        folder: folder of the three files; default: the one of `tcan models pull openpose`.
        device: torch device.

    Raises:
        ConfigError: the extra `pose` is not installed.
        ParameterError: the device is not available.
        WeightsError: a file is missing or damaged, or its digest is wrong.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        check_device(device)
        library = _import_library()
        folder = folder or detector_files("openpose", FILES)
        self._networks = _load_networks(library, folder).to(device)
        self._find_face = library.util.faceDetect

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame; see `detectors.PoseDetector`."""
        return [self._people(frame) for frame in frames]

    @torch.no_grad()
    def _people(self, frame: NDArray[np.uint8]) -> list[Pose]:
        seen = _scale(frame)
        bgr = np.ascontiguousarray(seen[..., ::-1])
        bodies = self._networks.body_estimation
        # Not `detect_poses`, which drops the confidences.
        people = bodies.format_body_result(*bodies(bgr))
        ratio = np.array([frame.shape[1] / seen.shape[1], frame.shape[0] / seen.shape[0]])
        return [self._pose(person, bgr, ratio, frame) for person in people]

    def _pose(
        self, person: Any, bgr: NDArray[np.uint8], ratio: Floats, frame: NDArray[np.uint8]
    ) -> Pose:
        body = np.zeros((NUM_JOINTS, 3))
        for joint, point in enumerate(person.keypoints):
            if point is not None:
                body[joint] = point.x, point.y, min(max(point.score, 0.0), 1.0)
        left, right = self._networks.detect_hands(person, bgr)
        placed = _to_frame(body, ratio)
        return Pose(
            keypoints=placed[:, :2],
            confidence=placed[:, 2],
            canvas=(frame.shape[0], frame.shape[1]),
            hand_left=_hand(left, bgr, ratio),
            hand_right=_hand(right, bgr, ratio),
            face=self._face(person, bgr, ratio),
        )

    def _face(self, person: Any, bgr: NDArray[np.uint8], ratio: Floats) -> Floats | None:
        """Return (70, 3), or None without a face.

        `detect_face` is not used: it skips undetected points, so that later ones get wrong indices.
        """
        crop = self._find_face(person, bgr)
        if crop is None:
            return None
        left, top, side = crop
        heat = self._networks.face_estimation(bgr[top : top + side, left : left + side])
        heat = heat[:NUM_FACE_JOINTS]  # the last map is the background
        peaks = heat.reshape(NUM_FACE_JOINTS, -1).argmax(axis=1)
        y, x = np.unravel_index(peaks, heat.shape[1:])
        confidence = heat.max(axis=(1, 2)).astype(np.float64).clip(0.0, 1.0)
        confidence = np.where(confidence > _FACE_THRESHOLD, confidence, 0.0)
        return detected_or_none(_to_frame(np.column_stack([x + left, y + top, confidence]), ratio))


def _scale(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    scale = SHORTER_SIDE / min(frame.shape[:2])
    size = (round(frame.shape[1] * scale), round(frame.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, size, interpolation=method), np.uint8)


def _to_frame(points: Floats, ratio: Floats) -> Floats:
    """Convert (n, 3) from pixel indices of the scaled frame to pixels of the original frame."""
    placed = np.asarray(points, np.float64).copy()
    placed[:, :2] = (placed[:, :2] + 0.5) * ratio
    return placed


def _hand(keypoints: Any, bgr: NDArray[np.uint8], ratio: Floats) -> Floats | None:
    """Return (21, 3) from the relative positions of `detect_hands`, negative if not detected."""
    if keypoints is None:
        return None
    parts = np.array([(point.x, point.y) for point in keypoints], np.float64)
    seen: NDArray[np.bool_] = np.all(parts >= 0, axis=1)
    pixels = np.where(seen[:, None], parts, 0.0) * [bgr.shape[1], bgr.shape[0]]
    # It returns no confidence.
    return detected_or_none(_to_frame(np.column_stack([pixels, seen]), ratio))


def _load_networks(library: Any, folder: Path) -> Any:
    """Build the three networks from their files, in the order of `FILES`."""
    networks = []
    for build, name in zip((library.Body, library.Hand, library.Face), FILES, strict=True):
        try:
            networks.append(build(str(folder / name)))
        except Exception as error:  # torch raises many kinds of errors for other files
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise WeightsError(f"{folder / name}: not a network of OpenPose ({reason})") from error
    return library.OpenposeDetector(*networks)


def _import_library() -> Any:
    """Import controlnet-aux's OpenPose module."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports all its annotators, which warn
            from controlnet_aux import open_pose
    except ImportError as error:
        raise ConfigError(
            f"detector openpose needs the extra `pose` ({error}); install it by `make pose`"
            " or `pip install 'tcan[pose]'`"
        ) from error
    return open_pose
