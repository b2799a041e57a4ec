"""A video of maps as the condition: nothing is detected, and the maps are taken as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.trim import Trim
from media.video_reader import VideoReader
from media.video_writer import VideoWriter
from tcan_core.conditioning.pose_maps import EncodedMaps, ResizedMaps
from tcan_core.errors import ParameterError
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import PreparedInput, render
from tcan_core.pipelines.condition_maps import prepare_maps, reject_pose_options
from tests.tcan_core.pipelines.conftest import FRAMES, SIZE

FAST = AnimateSettings(seed=3, context_size=4, context_overlap=2)


@pytest.fixture(scope="module")
def maps_pipeline(pipeline: AnimatePipeline) -> AnimatePipeline:
    preset = replace(pipeline.preset, condition="maps", fit="stretch", detector="none")
    return AnimatePipeline(pipeline.tcan, preset)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of flat maps, wider than high, whose colour changes by frame."""
    path = tmp_path_factory.mktemp("maps") / "densepose.mp4"
    with VideoWriter(path, 8, (40, 80)) as writer:
        for frame in range(FRAMES):
            writer.write(np.full((40, 80, 3), 20 * frame, np.uint8))
    return path


def frames_of(path: Path) -> NDArray[np.uint8]:
    return np.stack(list(VideoReader(path)))


def test_maps_drive_the_image_and_keep_its_size(
    maps_pipeline: AnimatePipeline, pair: Path, video: Path, tmp_path: Path
) -> None:
    prepared = prepare_maps(pair / "source.png", video)
    prepared.save(tmp_path / "prepared.zip")
    loaded = PreparedInput.load(tmp_path / "prepared.zip", pair / "source.png")
    out, poses = tmp_path / "out.mp4", tmp_path / "poses.mp4"

    report = render(maps_pipeline, loaded, out, FAST, pose_path=poses)

    assert (report.frames, report.fps, report.size) == (FRAMES, 8, (SIZE, SIZE))
    assert prepared.poses == [] and prepared.num_frames == loaded.num_frames == FRAMES
    direct = tmp_path / "direct.mp4"
    render(maps_pipeline, prepared, direct, FAST)
    assert direct.read_bytes() == out.read_bytes()
    assert np.abs(frames_of(poses).astype(int) - frames_of(video)).max() <= 2


def test_a_part_of_the_maps_can_be_chosen(pair: Path, video: Path) -> None:
    whole = prepare_maps(pair / "source.png", video)
    part = prepare_maps(pair / "source.png", video, trim=Trim(0.25, 0.5))

    assert part.num_frames == 2
    assert whole.pose_maps is not None and part.pose_maps is not None
    assert np.array_equal(part.pose_maps.frame(0), whole.pose_maps.frame(2))


def test_poses_are_refused_in_place_of_maps(
    maps_pipeline: AnimatePipeline, pair: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="holds poses; this preset takes a video of DenseP"):
        prepare_maps(pair / "source.png", pair / "driving_pose.json")
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    with pytest.raises(ParameterError, match="takes a video of maps, not poses"):
        list(maps_pipeline.frames(image, [], None, FAST))


def test_a_temperature_is_refused_before_a_file_is_written(
    maps_pipeline: AnimatePipeline, pair: Path, video: Path, tmp_path: Path
) -> None:
    prepared = prepare_maps(pair / "source.png", video)
    with pytest.raises(ParameterError, match="ptm_tau is 1.0; it must be 0 for tiny"):
        render(maps_pipeline, prepared, tmp_path / "out.mp4", replace(FAST, ptm_tau=1.0))
    assert not list(tmp_path.iterdir())


def test_options_about_poses_are_refused_for_maps() -> None:
    reject_pose_options({"--person": None, "--detector": None})
    with pytest.raises(ParameterError, match="--person, --fps cannot be used with a preset that"):
        reject_pose_options({"--person": "0", "--detector": None, "--fps": 8.0})


def test_maps_are_stretched_to_the_models_size() -> None:
    halves = np.zeros((4, 8, 3), np.uint8)
    halves[:, 4:] = 200

    resized = ResizedMaps(_Single(halves), (8, 8))

    assert resized.frame(0).shape == (8, 8, 3)
    assert resized.frame(0)[:, 7].min() == 200 and resized.frame(0)[:, 0].max() == 0


class _Single:
    def __init__(self, frame: NDArray[np.uint8]) -> None:
        self._frame, self.size = frame, (frame.shape[0], frame.shape[1])

    def __len__(self) -> int:
        return 1

    def frame(self, index: int) -> NDArray[np.uint8]:
        return self._frame


def test_encoded_maps_are_lossless(pair: Path, video: Path) -> None:
    maps = prepare_maps(pair / "source.png", video).pose_maps

    assert isinstance(maps, EncodedMaps) and maps.size == (40, 80)
    read = frames_of(video)
    assert all(np.array_equal(maps.frame(n), read[n]) for n in range(FRAMES))
