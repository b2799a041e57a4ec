"""DWPose for real people: YOLOX detects people, DWPose their 133 keypoints; both by rtmlib."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.detector_weights import detector_files
from tcan_core.conditioning.onnx_runtime import import_onnxruntime, load_network, missing_library
from tcan_core.conditioning.wholebody import from_wholebody

PEOPLE_FILE, JOINTS_FILE = "yolox_l.onnx", "dw-ll_ucoco_384.onnx"
PEOPLE_SIDE = 640  # pixels of YOLOX's square input
JOINTS_SIZE = (288, 384)  # (width, height) of a person in DWPose's input
_PERSON = 0  # of COCO's 80 classes


class DwposeDetector:
    """A detector of all people in a frame, with hands and faces.

    Args:
        folder: folder of both ONNX files; by default the one of `tcan models pull dwpose`.
        device: "cpu", or "cuda" or "cuda:N" with onnxruntime's GPU build.

    Raises:
        ConfigError: the extra `dwpose`, or the device's provider, is not installed.
        ParameterError: there is no such device.
        WeightsError: a file is missing or damaged, or its digest is wrong.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        rtmlib = _import_rtmlib(device)
        folder = folder or detector_files("dwpose", (PEOPLE_FILE, JOINTS_FILE))
        common = {"backend": "onnxruntime", "device": device}
        square = (PEOPLE_SIDE, PEOPLE_SIDE)
        people = partial(rtmlib.YOLOX, model_input_size=square, det_mode="multiclass", **common)
        joints = partial(rtmlib.RTMPose, model_input_size=JOINTS_SIZE, **common)
        with redirect_stdout(io.StringIO()):  # rtmlib prints what it loads; stdout is for results
            self._find_people: Any = load_network(folder / PEOPLE_FILE, people)
            self._find_joints: Any = load_network(folder / JOINTS_FILE, joints)

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        """Return the people of each frame; see `detectors.PoseDetector`."""
        return [self._people(frame) for frame in frames]

    def _people(self, frame: NDArray[np.uint8]) -> list[Pose]:
        # YOLOX was trained on BGR, DWPose on RGB: https://github.com/Tau-J/rtmlib/issues/48
        boxes, classes = self._find_people(np.ascontiguousarray(frame[..., ::-1]))
        people = boxes[classes == _PERSON]
        if not len(people):  # rtmlib would use the whole frame as one person
            return []
        points, scores = self._find_joints(frame, bboxes=people)
        poses = [self._pose(*person, frame) for person in zip(points, scores, strict=True)]
        return [pose for pose in poses if pose.detected.any()]

    def _pose(self, points: Floats, scores: Floats, frame: NDArray[np.uint8]) -> Pose:
        # rtmlib puts the centre of pixel (0, 0) at the origin, keypoints put it at (0.5, 0.5).
        keypoints = np.column_stack([points + 0.5, scores]).astype(np.float64)
        return from_wholebody(keypoints, (frame.shape[0], frame.shape[1]))


def _import_rtmlib(device: str) -> Any:
    """Return the library after a check that onnxruntime supports the device."""
    import_onnxruntime("dwpose", device)  # first, since rtmlib imports it too, with its telemetry
    try:
        import rtmlib
    except ImportError as error:
        raise missing_library("dwpose", error) from error
    return rtmlib
