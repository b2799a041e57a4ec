"""The shipped preset has the quality of its model card, on unseen puppets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.image import write_png
from tcan_core.conditioning.detectors import build_detector
from tcan_core.errors import NoPersonError
from tcan_core.evaluation.metrics import moving_region_mask, moving_region_psnr
from tcan_core.models.weights.inventory import damaged_parts, inventory
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.pipelines.animate_files import prepare
from tcan_core.puppets.background import draw_background
from tcan_core.puppets.world import FIRST_TEST_SEED, Scene, sample_scene

MAX_BYTES = 40_000_000
FRAMES = 16


@pytest.fixture(scope="module")
def pipeline() -> AnimatePipeline:
    return AnimatePipeline.from_preset("mini")


def test_shipped_weights_are_complete_and_small() -> None:
    preset = load_preset("mini")

    assert damaged_parts(preset) == {}
    assert all(part.present and (part.sha256 or not part.parameters) for part in inventory(preset))
    files = [path for name in preset.parts if (path := preset.part_file(name))]
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES


@pytest.mark.parametrize("seed", [FIRST_TEST_SEED + 500, FIRST_TEST_SEED + 501])
def test_puppet_follows_the_motion_of_another(pipeline: AnimatePipeline, seed: int) -> None:
    scene = sample_scene(seed, FRAMES, 64)
    source, truth = _source_and_truth(scene)

    frames = pipeline(
        source, scene.driving.poses(scene.motion), source_pose=scene.source_pose, seed=0
    )

    moving = moving_region_mask(source, truth)
    standing_still = np.repeat(source[None], FRAMES, axis=0)
    psnr = moving_region_psnr(frames, truth, moving)
    assert psnr > 17
    assert psnr > moving_region_psnr(standing_still, truth, moving) + 2


def test_detector_finds_joints_to_the_pixel() -> None:
    scene = sample_scene(FIRST_TEST_SEED + 502, FRAMES, 64)
    poses = scene.driving.poses(scene.motion)

    people = build_detector("puppet").detect(np.stack(list(scene.driving.frames(poses))))

    errors = [
        np.linalg.norm(detected.keypoints - pose.keypoints, axis=1)
        for (detected,), pose in zip(people, poses, strict=True)
    ]
    assert np.median(errors) < 1


def test_detector_scales_with_the_image() -> None:
    scene = sample_scene(FIRST_TEST_SEED + 503, 1, 256)
    (pose,) = scene.driving.poses(scene.motion)

    detected = build_detector("puppet").detect_one(next(scene.driving.frames([pose])))

    assert np.median(np.linalg.norm(detected.keypoints - pose.keypoints, axis=1)) < 4


def test_empty_background_has_no_person(tmp_path: Path) -> None:
    scene = sample_scene(FIRST_TEST_SEED + 504, 1, 64)
    write_png(tmp_path / "source.png", scene.source.draw(scene.source_pose)[0])
    write_png(tmp_path / "empty.png", draw_background(np.random.default_rng(7), 64))

    with pytest.raises(NoPersonError):
        prepare(tmp_path / "source.png", tmp_path / "empty.png")


def _source_and_truth(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    frames = list(scene.source.frames(scene.source.poses(scene.motion)))
    return scene.source.draw(scene.source_pose)[0], np.stack(frames)
