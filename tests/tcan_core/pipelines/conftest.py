"""The pipeline on the tiny preset, and a puppet's image and motion to run it on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.detectors import detectors, register_detector
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import Scene, sample_scene
from tests.tcan_core.tiny_weights import TINY

SEED, FRAMES, SIZE = 1_000_000, 9, 48
DETECTOR = "stance-of-the-scene"


class StanceDetector:
    """Finds the scene's source character, as it stands, in every image that is not black."""

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        pose = sample_scene(SEED, FRAMES, SIZE).source_pose
        return [[pose] if frame.max() > 40 else [] for frame in frames]


@pytest.fixture(scope="session", autouse=True)
def detector() -> str:
    """The name of a detector that needs no weights."""
    if DETECTOR not in detectors():
        register_detector(DETECTOR, StanceDetector)
    return DETECTOR


@pytest.fixture(scope="session")
def scene() -> Scene:
    """A source character and a driving one."""
    return sample_scene(SEED, FRAMES, SIZE)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same scene as files."""
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, SEED, FRAMES, SIZE)
    return folder


@pytest.fixture(scope="session")
def pipeline(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> AnimatePipeline:
    """The tiny preset with random weights and the scene's detector."""
    preset = tmp_path_factory.mktemp("preset") / "preset.yaml"
    preset.write_text(TINY.read_text().replace("detector: puppet", f"detector: {DETECTOR}"))
    return AnimatePipeline.from_preset(str(preset), folder=weights)
