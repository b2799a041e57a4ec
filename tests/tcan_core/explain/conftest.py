"""The tiny pipeline of the tests of pipelines, and the explanation of a run of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tcan_core.explain.explain import explain
from tcan_core.explain.explanation import Choice, Explanation
from tcan_core.explain.switches import read_lora
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.prepared_input import PreparedInput
from tcan_core.puppets.world import Scene
from tests.tcan_core.pipelines.conftest import detector, pipeline, scene

__all__ = ["detector", "pipeline", "scene"]

# 9 frames take 4 windows.
SETTINGS = AnimateSettings(seed=3, context_size=4, context_overlap=2)
CHOICE = Choice(step=2, window=3)


@pytest.fixture(scope="session")
def prepared(scene: Scene) -> PreparedInput:
    """The scene's source and driving poses."""
    image = scene.source.draw(scene.source_pose)[0]
    poses = scene.driving.poses(scene.motion)
    return PreparedInput(image, scene.source_pose, poses, Fraction(12))


@pytest.fixture(scope="session")
def explanation(pipeline: AnimatePipeline, prepared: PreparedInput, weights: Path) -> Explanation:
    """The third window at the second step."""
    lora = read_lora(pipeline.preset, weights)
    return explain(pipeline, prepared, SETTINGS, CHOICE, lora)
