"""Alignment is 1 for the same body at the same position, and lower otherwise."""

from __future__ import annotations

import pytest

from media.poses.joints import Joint
from media.poses.keypoints import no_pose
from tcan_core.conditioning.alignment import Alignment, align
from tests.tcan_core.conditioning.make_poses import standing, without

BODY = {"WRIST", "HIP", "KNEE", "ANKLE"}


def _aligned(source: object, *driving: object) -> Alignment:
    alignment = align(source, list(driving))  # type: ignore[arg-type]
    assert alignment is not None
    return alignment


def test_same_body_aligns_fully_on_any_canvas() -> None:
    large = standing(40.0, neck=(256.0, 160.0), canvas=(512, 512))
    same = _aligned(standing(20.0), large, large)
    assert same.scale == same.visibility == pytest.approx(1.0)
    assert same.position == pytest.approx(1.0) and same.score == pytest.approx(1.0)
    assert same.warnings() == []


def test_each_part_measures_its_difference() -> None:
    source = standing(20.0)
    assert _aligned(source, standing(5.0)).scale == pytest.approx(0.25)
    moved = standing(20.0, neck=(192.0, 80.0))  # a quarter of the canvas to the right
    assert _aligned(source, moved).position == pytest.approx(0.5)
    assert _aligned(source, standing(20.0, neck=(400.0, 80.0))).position == 0.0
    legs = [Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, Joint.LEFT_KNEE, Joint.LEFT_ANKLE]
    assert _aligned(source, without(source, *legs)).visibility == pytest.approx(14 / 18)


def test_joint_that_is_sometimes_missing_counts_as_visible() -> None:
    source = standing(20.0)
    frames = [source, source, without(source, Joint.NOSE)]
    assert _aligned(source, *frames).visibility == 1.0


def test_low_alignment_is_warned_about() -> None:
    alignment = Alignment(scale=0.25, position=0.9, visibility=0.4)
    assert alignment.score == pytest.approx((0.25 * 0.9 * 0.4) ** (1 / 3))
    size, joints = alignment.warnings()
    assert "another size" in size and "0.25" in size and "other joints" in joints
    assert alignment.as_json() == {
        "score": 0.448, "scale": 0.25, "position": 0.9, "visibility": 0.4,
    }  # fmt: skip


def test_portrait_and_whole_body_are_warned_about() -> None:
    body = standing(20.0)
    below = [joint for joint in Joint if joint.name.rpartition("_")[2] in BODY]
    head = without(body, *below)
    for source, driving, words in ((head, body, "the image shows only"), (body, head, "the driv")):
        warnings = _aligned(source, driving, driving).warnings()
        assert [warning[: len(words)] for warning in warnings if "only head and" in warning] == [
            words
        ]
        assert not any("other joints" in warning for warning in warnings)
    assert _aligned(head, head).warnings() == []
    legs = [joint for joint in below if joint.name.endswith(("KNEE", "ANKLE"))]
    assert _aligned(head, without(body, *legs)).missing_part == ""


def test_alignment_without_a_person_is_none() -> None:
    empty = no_pose((256, 256))
    assert align(empty, [standing()]) is None and align(standing(), [empty]) is None
