"""Explanations of `mini`, and of a preset with SD 1.5's form and few channels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from media.poses.keypoints import Pose
from tcan_core.explain.explain import explain
from tcan_core.explain.explanation import Choice
from tcan_core.explain.switches import read_lora
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.prepared_input import PreparedInput
from tests.tcan_core.explain.plain_attention import (
    PlainRun,
    assert_reference_is_plain,
    assert_temporal_is_plain,
)
from tests.tcan_core.random_tcan import WIDE, random_tcan

SETTINGS = AnimateSettings(seed=5, context_size=6, context_overlap=2)
# Values of the wide preset, and smaller ones in their place.
SMALLER = {
    "[32, 64, 128, 128]": "[8, 8, 16, 16]",
    "[128, 256, 512, 512]": "[16, 16, 32, 32]",
    "[16, 32, 96, 256]": "[8, 8, 8, 8]",
    "norm_num_groups: 32": "norm_num_groups: 8",
    "attention_head_dim: 8": "attention_head_dim: 4",
    "motion_num_attention_heads: 8": "motion_num_attention_heads: 4",
    "cross_attention_dim: 768": "cross_attention_dim: 24",
    "hidden_size: 768": "hidden_size: 24",
    "projection_dim: 768": "projection_dim: 24",
}


@pytest.fixture(scope="module")
def sd15_like(tmp_path_factory: pytest.TempPathFactory) -> Preset:
    """The wide preset, made narrow."""
    text = WIDE.read_text(encoding="utf-8")
    for value, smaller in SMALLER.items():
        assert value in text
        text = text.replace(value, smaller)
    path = tmp_path_factory.mktemp("preset") / "preset.yaml"
    path.write_text(text, encoding="utf-8")
    return load_preset(str(path))


@pytest.mark.long
def test_maps_of_mini_are_those_of_its_run(prepared: PreparedInput) -> None:
    pipeline = AnimatePipeline.from_preset("mini")

    assert_is_explained(pipeline, prepared)

    explanation = explain(pipeline, prepared, SETTINGS, lora=read_lora(pipeline.preset))
    assert explanation.lora is not None and explanation.lora.relative > 0.01
    assert explanation.wrong_pose is not None


@pytest.mark.long
@pytest.mark.parametrize("size", [(48, 48), (70, 48)])
def test_maps_of_sd15_are_those_of_its_run(
    sd15_like: Preset, prepared: PreparedInput, size: tuple[int, int]
) -> None:
    preset = replace(sd15_like, resolution=48)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    pose = prepared.source_pose
    assert pose is not None
    stretched = Pose(pose.keypoints, pose.confidence, size)

    assert_is_explained(
        AnimatePipeline(random_tcan(preset), preset),
        replace(prepared, image=image, source_pose=stretched),
    )


def assert_is_explained(pipeline: AnimatePipeline, prepared: PreparedInput) -> None:
    """Explain the second window at the first step, and compare with plain attention of a run."""
    explanation = explain(pipeline, prepared, SETTINGS, Choice(step=1, window=2))

    assert explanation.temporal is not None and explanation.temporal.without_ptm is not None
    layers = [*explanation.temporal.layers, explanation.reference.layer]
    plain = PlainRun(pipeline, prepared, SETTINGS, 1, layers)
    assert np.array_equal(np.stack(explanation.frames), plain.frames[explanation.window])
    assert_temporal_is_plain(pipeline, explanation, plain)
    assert_reference_is_plain(pipeline, explanation, plain)
