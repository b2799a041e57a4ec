"""Detectors are built by name, once, and see whom the picture shows."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from tcan_core.conditioning.detectors import build_detector, detectors, register_detector
from tcan_core.conditioning.keypoints import Pose, no_pose
from tcan_core.errors import ParameterError
from tests.tcan_core.conditioning.make_poses import standing


class BrightnessDetector:
    """Sees a large and a small person in light frames, and nobody in dark ones."""

    built = 0

    def __init__(self) -> None:
        BrightnessDetector.built += 1

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        canvas = (frames.shape[1], frames.shape[2])
        people = [standing(8.0, canvas=canvas), standing(20.0, canvas=canvas)]
        return [people if frame.mean() > 127 else [] for frame in frames]


def test_a_registered_detector_is_built_when_needed_and_once() -> None:
    register_detector("brightness", BrightnessDetector)
    assert "brightness" in detectors() and BrightnessDetector.built == 0

    detector = build_detector("brightness")

    assert build_detector("brightness") is detector and BrightnessDetector.built == 1
    light, dark = np.full((256, 256, 3), 200, np.uint8), np.zeros((256, 256, 3), np.uint8)
    assert [len(people) for people in detector.detect(np.stack([light, dark]))] == [2, 0]
    assert np.array_equal(detector.detect_one(light).keypoints, standing(20.0).keypoints)
    nobody = detector.detect_one(dark[:100])
    assert nobody.canvas == no_pose((100, 256)).canvas and not nobody.detected.any()
    with pytest.raises(ParameterError, match="there is a detector 'brightness' already"):
        register_detector("brightness", BrightnessDetector)


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(ParameterError, match=r"detector is 'eyes'; it must be one of .*puppet"):
        build_detector("eyes")


def test_conditioning_loads_no_torch_until_a_detector_is_built() -> None:
    modules = "cleaning, detectors, pose_file, retarget, skeleton, temperature_map"
    code = (
        f"from tcan_core.conditioning import {modules}; import sys; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
