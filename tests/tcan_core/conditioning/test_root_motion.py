"""A figure stays as far in its picture as the driving person stays in theirs."""

from __future__ import annotations

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.retarget import retarget
from tcan_core.conditioning.root_motion import outside_warnings
from tests.tcan_core.conditioning.make_poses import Floats, standing, without


def walker(frames: int = 40, size: float = 4.0) -> list[Pose]:
    """Return a small person who walks from the left to the right, and up and down a little."""
    time = np.linspace(0, 1, frames)
    places = zip(40 + 430 * time, 100 + 8 * np.sin(12 * time), strict=True)
    return [standing(size, neck=place, canvas=(256, 512)) for place in places]


def necks(poses: list[Pose]) -> Floats:
    """Return the path of the neck, (frames, 2), relative to the first frame."""
    path = np.array([pose.keypoints[Joint.NECK] for pose in poses])
    return np.asarray(path - path[0], np.float64)


def share_inside(poses: list[Pose]) -> Floats:
    """Return the share of joints in the picture by frame."""
    height, width = poses[0].canvas
    points = np.stack([pose.keypoints for pose in poses])
    return np.asarray(
        ((points >= 0) & (points <= [width, height])).all(axis=2).mean(axis=1), np.float64
    )


@pytest.mark.parametrize("unit", [12.0, 16.0, 20.0])
def test_small_walker_does_not_carry_a_large_figure_out_of_the_picture(unit: float) -> None:
    source, driving = standing(unit), walker()

    full, bounded = retarget(source, driving, "full"), retarget(source, driving)

    assert share_inside(full).min() == 0
    assert share_inside(bounded).min() == 1
    ratios = necks(bounded)[1:] / necks(full)[1:]
    assert 0.02 < ratios[0, 0] < 0.5 and np.allclose(ratios[:, 0], ratios[0, 0])
    assert outside_warnings(bounded, driving, "bounded") == []
    [warning] = outside_warnings(full, driving, "full")
    share = (share_inside(full) == 0).mean()
    assert warning == (
        f"the figure is outside the picture in {share:.0%} of the frames;"
        " root_motion bounded keeps it inside"
    )


def test_motion_inside_the_picture_is_not_reduced() -> None:
    source = standing(12.0)
    driving = [standing(24.0, neck=(128.0 + x, 80.0)) for x in range(-20, 20)]
    full, bounded = (retarget(source, driving, motion) for motion in ("full", "bounded"))
    assert np.array_equal(necks(full), necks(bounded))
    assert necks(full)[-1] == pytest.approx([39 / 2, 0])


def test_each_direction_has_its_own_limit() -> None:
    source, driving = standing(12.0), walker()
    full, bounded = (retarget(source, driving, motion) for motion in ("full", "bounded"))
    assert np.array_equal(necks(full)[:, 1], necks(bounded)[:, 1])


def test_none_keeps_the_neck_at_its_place() -> None:
    source = standing(12.0)
    still = retarget(source, walker(), "none")
    assert np.array_equal(necks(still), np.zeros((40, 2)))
    assert np.allclose(still[0].keypoints[Joint.NECK], source.keypoints[Joint.NECK])


def test_figure_leaves_the_picture_as_far_as_the_driving_person() -> None:
    """At the end half of the driving person is beyond the border."""
    driving = [standing(12.0, neck=(x, 80.0)) for x in np.linspace(128, 256, 30)]
    last = retarget(standing(12.0), driving)[-1]
    assert share_inside([last])[0] == pytest.approx(share_inside([driving[-1]])[0])


def test_portrait_still_bows() -> None:
    """The picture crops the figure at its hips; head and shoulders have room to move."""
    source = standing(60.0, neck=(128.0, 110.0))
    driving = [standing(20.0, neck=(128.0, 60.0 + y)) for y in range(12)]
    assert necks(retarget(source, driving))[-1] == pytest.approx([0, 33], abs=0.1)


def test_frames_without_a_person_have_no_part_in_the_limit() -> None:
    driving = walker()
    holes = [without(pose, *Joint) if index % 2 else pose for index, pose in enumerate(driving)]
    whole, broken = retarget(standing(12.0), driving[:39]), retarget(standing(12.0), holes[:39])
    assert np.allclose(broken[38].keypoints, whole[38].keypoints)
    assert outside_warnings(broken, holes[:39], "bounded") == []
