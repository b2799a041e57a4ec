"""The same body at the same place agrees fully; the agreement falls from there."""

from __future__ import annotations

import pytest

from media.poses.joints import Joint
from media.poses.keypoints import no_pose
from tcan_core.conditioning.alignment import Alignment, align
from tests.tcan_core.conditioning.make_poses import standing, without


def _aligned(source: object, *driving: object) -> Alignment:
    found = align(source, list(driving))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_same_body_agrees_in_everything_on_a_canvas_of_any_size() -> None:
    large = standing(40.0, neck=(256.0, 160.0), canvas=(512, 512))
    same = _aligned(standing(20.0), large, large)
    assert same.scale == same.visibility == pytest.approx(1.0)
    assert same.position == pytest.approx(1.0) and same.score == pytest.approx(1.0)
    assert same.warnings() == []


def test_each_part_falls_with_what_it_measures() -> None:
    source = standing(20.0)
    assert _aligned(source, standing(5.0)).scale == pytest.approx(0.25)
    moved = standing(20.0, neck=(192.0, 80.0))  # a quarter of the canvas to the right
    assert _aligned(source, moved).position == pytest.approx(0.5)
    assert _aligned(source, standing(20.0, neck=(400.0, 80.0))).position == 0.0
    legs = [Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, Joint.LEFT_KNEE, Joint.LEFT_ANKLE]
    assert _aligned(source, without(source, *legs)).visibility == pytest.approx(14 / 18)


def test_a_joint_that_is_lost_now_and_then_is_still_shown() -> None:
    source = standing(20.0)
    frames = [source, source, without(source, Joint.NOSE)]
    assert _aligned(source, *frames).visibility == 1.0


def test_low_agreement_is_told() -> None:
    found = Alignment(scale=0.25, position=0.9, visibility=0.4)
    assert found.score == pytest.approx((0.25 * 0.9 * 0.4) ** (1 / 3))
    size, joints = found.warnings()
    assert "another size" in size and "0.25" in size and "other joints" in joints
    assert found.as_json() == {
        "score": 0.448, "scale": 0.25, "position": 0.9, "visibility": 0.4,
    }  # fmt: skip


def test_nobody_agrees_with_nobody() -> None:
    nobody = no_pose((256, 256))
    assert align(nobody, [standing()]) is None and align(standing(), [nobody]) is None
