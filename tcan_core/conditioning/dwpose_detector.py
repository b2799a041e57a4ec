"""DWPose for real people: YOLOX detects people, DWPose their 133 keypoints; both by rtmlib."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.detector_weights import detector_files
from tcan_core.conditioning.wholebody import from_wholebody
from tcan_core.errors import ConfigError, ParameterError, WeightsError

PEOPLE_FILE, JOINTS_FILE = "yolox_l.onnx", "dw-ll_ucoco_384.onnx"
PEOPLE_SIDE = 640  # pixels of YOLOX's square input
JOINTS_SIZE = (288, 384)  # (width, height) of a person in DWPose's input
_PERSON = 0  # of COCO's 80 classes
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


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
        self._find_people = _load(
            rtmlib.YOLOX, folder / PEOPLE_FILE, square, det_mode="multiclass", **common
        )
        self._find_joints = _load(rtmlib.RTMPose, folder / JOINTS_FILE, JOINTS_SIZE, **common)

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


def _load(network: Callable[..., Any], file: Path, size: tuple[int, int], **more: Any) -> Any:
    """Build one of rtmlib's networks from its file."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        with redirect_stdout(io.StringIO()):  # rtmlib prints what it loads; stdout is for results
            return network(str(file), size, **more)
    except (errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf) as error:
        raise WeightsError(f"{file}: not a network that onnxruntime reads ({error})") from error


def _import_rtmlib(device: str) -> Any:
    """Return the library after a check that it supports the device."""
    if not _DEVICE.fullmatch(device):
        raise ParameterError(f"detector dwpose cannot run on {device!r}; use cpu, cuda or cuda:0")
    try:
        import onnxruntime
        import rtmlib
    except ImportError as error:
        raise ConfigError(
            f"detector dwpose needs the extra `dwpose` ({error}); install it by `make dwpose`"
            " or `pip install 'tcan[dwpose]'`"
        ) from error
    providers = onnxruntime.get_available_providers()
    # Without the provider onnxruntime would silently use the CPU.
    if device.startswith("cuda") and "CUDAExecutionProvider" not in providers:
        raise ConfigError(
            f"detector dwpose cannot run on {device}: onnxruntime has {', '.join(providers)};"
            " install onnxruntime-gpu in its place, or use dwpose@cpu"
        )
    return rtmlib
