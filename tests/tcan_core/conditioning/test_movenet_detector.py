"""MoveNet's shipped network: its people, its refusals, and what a damaged file does."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.image import read_image
from media.poses.joints import Joint
from media.poses.keypoints import Pose
from media.video_reader import VideoReader
from tcan_core.conditioning.detectors import build_detector
from tcan_core.conditioning.movenet_detector import FILE, MovenetDetector
from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import load_file_set
from tests.people_media import people_file

HEIGHT, WIDTH = 240, 320


def without_people() -> dict[str, NDArray[np.uint8]]:
    """Return frames without a person by name, (height, width, 3) uint8 RGB each."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 255, WIDTH, dtype=np.uint8)[None, :, None]
    return {
        "black": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
        "grey": np.full((HEIGHT, WIDTH, 3), 127, np.uint8),
        "white": np.full((HEIGHT, WIDTH, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8),
        "slope": np.broadcast_to(slope, (HEIGHT, WIDTH, 3)).copy(),
    }


@pytest.mark.parametrize("name", without_people())
def test_frame_without_people_has_none(name: str) -> None:
    assert build_detector("movenet").detect(without_people()[name][None]) == [[]]


def test_damaged_file_is_named(tmp_path: Path) -> None:
    whole = (load_file_set("movenet").folder / FILE).read_bytes()
    for name, content in (("empty.onnx", b""), ("half.onnx", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=f"{name}: not a network that onnxruntime reads"):
            MovenetDetector(tmp_path / name)


def nearest(people: list[Pose], joint: Joint, place: tuple[int, int]) -> float:
    """Return the distance in pixels of the nearest person's joint to a place, (x, y)."""
    return min(float(np.hypot(*(pose.keypoints[joint] - place))) for pose in people)


@pytest.mark.people
@pytest.mark.parametrize(
    ("name", "joints"),
    [
        ("astronaut.png", {Joint.NOSE: (225, 124), Joint.LEFT_EYE: (246, 105)}),
        ("basketball1.png", {Joint.NOSE: (96, 112), Joint.RIGHT_ANKLE: (68, 455)}),
        ("messi5.jpg", {Joint.RIGHT_WRIST: (107, 107), Joint.LEFT_KNEE: (350, 252)}),
    ],
)
def test_joints_of_real_people_are_where_they_are_seen(
    name: str, joints: dict[Joint, tuple[int, int]]
) -> None:
    picture = read_image(people_file(name))
    [people] = build_detector("movenet").detect(picture[None])
    for joint, place in joints.items():
        assert nearest(people, joint, place) < 0.03 * picture.shape[0]


@pytest.mark.people
def test_people_stay_in_place_when_the_frame_grows(tmp_path: Path) -> None:
    picture = read_image(people_file("messi5.jpg"))
    wider = np.pad(picture, ((100, 0), (200, 0), (0, 0)))
    [[pose]] = build_detector("movenet").detect(picture[None])
    [[moved]] = build_detector("movenet").detect(wider[None])
    offset = (moved.keypoints - pose.keypoints)[pose.detected & moved.detected]
    np.testing.assert_allclose(np.median(offset, axis=0), [200, 100], atol=4)
    assert moved.canvas == wider.shape[:2]


@pytest.mark.people
def test_small_people_of_a_street_are_found() -> None:
    frames = islice(VideoReader(people_file("vtest.avi")), 0, 601, 100)
    found = build_detector("movenet").detect(np.stack(list(frames)))
    assert all(found) and len(found[-1]) >= 4
