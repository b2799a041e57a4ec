"""Pairs of `tcan puppets render`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.image import read_image
from media.poses.pose_file import read_pose_file
from media.video_reader import VideoReader
from tcan_core.errors import ParameterError
from tcan_core.puppets.motion import FPS
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED, Scene, sample_scene

SEED, FRAMES, SIZE = FIRST_TEST_SEED + 3, 5, 48


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    render_pair(folder, SEED, FRAMES, SIZE)
    return folder


@pytest.fixture(scope="module")
def scene() -> Scene:
    return sample_scene(SEED, FRAMES, SIZE)


def test_pair_has_the_documented_files(pair: Path) -> None:
    names = sorted(path.relative_to(pair).as_posix() for path in pair.rglob("*") if path.is_file())

    numbers = [f"{index:05d}.png" for index in range(FRAMES)]
    assert names == sorted(
        ["source.png", "source_pose.json", "driving.mp4", "driving_pose.json", "target.mp4"]
        + [f"{folder}/{number}" for folder in ("target", "target_mask") for number in numbers]
    )


def test_pictures_and_masks_match_the_scene(pair: Path, scene: Scene) -> None:
    source = read_image(pair / "source.png")
    assert np.array_equal(source, scene.source.draw(scene.source_pose)[0])
    for index, pose in enumerate(scene.source.poses(scene.motion)):
        frame, coverage = scene.source.draw(pose)
        mask = read_image(pair / "target_mask" / f"{index:05d}.png")
        assert np.array_equal(read_image(pair / "target" / f"{index:05d}.png"), frame)
        assert set(np.unique(mask)) == {0, 255}
        assert np.array_equal(mask[..., 0] == 255, coverage > 0)


def test_pose_files_have_the_exact_joints(pair: Path, scene: Scene) -> None:
    driving = read_pose_file(pair / "driving_pose.json")
    source = read_pose_file(pair / "source_pose.json")

    assert driving.fps == FPS
    np.testing.assert_array_equal(source.frames[0][0].keypoints, scene.source_pose.keypoints)
    for [person], truth in zip(driving.frames, scene.driving.poses(scene.motion), strict=True):
        np.testing.assert_array_equal(person.keypoints, truth.keypoints)
        assert person.canvas == (SIZE, SIZE)


def test_videos_show_the_driving_character_and_the_target(pair: Path, scene: Scene) -> None:
    for name, character in (("driving", scene.driving), ("target", scene.source)):
        reader = VideoReader(pair / f"{name}.mp4")
        frames = list(reader)
        assert reader.info.fps == FPS
        assert len(frames) == FRAMES
        for frame, drawn in zip(
            frames, character.frames(character.poses(scene.motion)), strict=True
        ):
            assert np.abs(frame.astype(int) - drawn).mean() < 8  # as far as H.264 keeps it


def test_driving_character_differs_from_the_source(scene: Scene) -> None:
    assert scene.driving.appearance != scene.source.appearance
    assert not np.array_equal(scene.driving.background, scene.source.background)
    assert not np.allclose(scene.driving.neck, scene.source.neck)


def test_pair_is_reproducible(pair: Path, tmp_path: Path) -> None:
    render_pair(tmp_path, SEED, FRAMES, SIZE)

    for name in ("source.png", "driving_pose.json", "target/00004.png", "target_mask/00004.png"):
        assert (tmp_path / name).read_bytes() == (pair / name).read_bytes()


@pytest.mark.parametrize(
    ("seed", "frames", "size", "message"),
    [
        (0, 0, 64, "frames is 0"),
        (-1, 2, 64, "seed -1"),
        (0, 2, 30, "size is 30"),
        (0, 2, 65, "size is 65"),
        (0, 2, 2048, "size is 2048"),
    ],
)
def test_arguments_out_of_range_are_rejected(
    tmp_path: Path, seed: int, frames: int, size: int, message: str
) -> None:
    with pytest.raises(ParameterError, match=message):
        render_pair(tmp_path / "none", seed, frames, size)
    assert not (tmp_path / "none").exists()
