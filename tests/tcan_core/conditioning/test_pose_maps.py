"""Skeletons drawn on demand and read from an archive are equal, and few are in memory."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.pose_maps import (
    DrawnPoseMaps,
    RecentPoseMaps,
    StoredPoseMaps,
    write_pose_maps,
)
from tcan_core.conditioning.skeleton import draw_poses
from tcan_core.errors import MediaError
from tests.tcan_core.conditioning.make_poses import standing

FRAMES = 7


@pytest.fixture(scope="module")
def poses() -> list[Pose]:
    pose = standing()
    return [replace(pose, keypoints=pose.keypoints + shift) for shift in range(FRAMES)]


class CountingPoseMaps(DrawnPoseMaps):
    """Pose maps that record which frames are drawn."""

    def __init__(self, poses: list[Pose]) -> None:
        super().__init__(poses)
        self.drawn: list[int] = []

    def frame(self, index: int) -> NDArray[np.uint8]:
        self.drawn.append(index)
        return super().frame(index)


def test_stored_skeletons_equal_drawn_ones(poses: list[Pose], tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    drawn = DrawnPoseMaps(poses)
    write_pose_maps(tmp_path / "maps.zip", drawn, lambda *now: calls.append(now))
    stored = StoredPoseMaps(tmp_path / "maps.zip")

    assert (len(stored), stored.size) == (len(drawn), drawn.size) == (FRAMES, poses[0].canvas)
    expected = draw_poses(poses)
    for maps in (drawn, stored):
        assert np.array_equal(np.stack([maps.frame(i) for i in range(FRAMES)]), expected)
    assert calls == [(done + 1, FRAMES) for done in range(FRAMES)]


def test_interrupted_write_leaves_no_file(poses: list[Pose], tmp_path: Path) -> None:
    def stop(done: int, expected: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_pose_maps(tmp_path / "maps.zip", DrawnPoseMaps(poses), stop)
    assert list(tmp_path.iterdir()) == []


def test_damaged_archive_is_rejected(poses: list[Pose], tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("text")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("note.txt", "")
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("00000.png", b"no image")
    for name, message in (
        ("nothing.zip", "not a readable archive"),
        ("text.zip", "not a readable archive"),
        ("empty.zip", "no image"),
        ("bad.zip", "frame 0 is damaged"),
    ):
        with pytest.raises(MediaError, match=message):
            StoredPoseMaps(tmp_path / name)


def test_only_recent_frames_are_cached(poses: list[Pose]) -> None:
    counted = CountingPoseMaps(poses)
    height, width = counted.size
    recent = RecentPoseMaps(counted, keep_bytes=3 * height * width * 3)

    first = recent.frames([0, 1, 2])
    assert np.array_equal(first, draw_poses(poses[:3]))
    recent.frames([1, 2, 3])  # 0 is dropped
    recent.frames([2, 3])
    recent.frames([0])
    assert counted.drawn == [0, 1, 2, 3, 0]
