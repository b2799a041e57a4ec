"""The puppet world is reproducible, exact and varied, with still backgrounds."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from media.poses.joints import NUM_JOINTS, Joint
from tcan_core.conditioning.retarget import retarget
from tcan_core.puppets.appearance import (
    HAIR_STYLES,
    LEG_WEAR,
    PATTERNS,
    Appearance,
    darker,
    sample_appearance,
)
from tcan_core.puppets.background import draw_background
from tcan_core.puppets.body import BONES, NUM_BONES, place_joints, sample_body
from tcan_core.puppets.drawing import draw_puppet
from tcan_core.puppets.motion import FPS, MOTIONS, sample_motion, sample_stance
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_character, sample_scene

SIZE, FRAMES = 48, 20
# Bones that may be shorter in most frames of a motion; the others never are.
FORESHORTENED = [Joint.RIGHT_WRIST, Joint.LEFT_WRIST, Joint.RIGHT_EAR, Joint.LEFT_EAR]
SEEDS = range(FIRST_TEST_SEED, FIRST_TEST_SEED + 6)


def looks(**changes: object) -> Appearance:
    """Return an appearance with colours that are easy to find in an image."""
    chosen: dict[str, object] = dict(
        skin=(250, 200, 170), hair=(20, 20, 20), hair_style="bald", eyes=(0, 0, 0),
        shirt=(0, 0, 255), pattern="plain", pattern_color=(255, 255, 0), pattern_count=3,
        sleeve=0.0, leg_wear="trousers", leg_color=(0, 128, 0), shoes=(128, 0, 0), outline=0.0,
    )  # fmt: skip
    return Appearance(**(chosen | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_defines_the_scene(seed: int) -> None:
    first, second, other = (sample_scene(s, FRAMES, SIZE) for s in (seed, seed, seed + 1))
    frames = [scene.source.draw(scene.source_pose)[0] for scene in (first, second, other)]

    assert np.array_equal(frames[0], frames[1])
    assert np.array_equal(first.motion.directions, second.motion.directions)
    assert not np.array_equal(frames[0], frames[2])
    assert not np.array_equal(first.motion.directions, other.motion.directions)


@pytest.mark.parametrize("seed", SEEDS)
def test_scene_is_the_same_at_any_size(seed: int) -> None:
    small, large = (sample_scene(seed, FRAMES, size) for size in (SIZE, 2 * SIZE))

    for before, after in zip(
        small.source.poses(small.motion), large.source.poses(large.motion), strict=True
    ):
        np.testing.assert_allclose(2 * before.keypoints, after.keypoints)


@pytest.mark.parametrize("proportions", ["any", "crossed"])
@pytest.mark.parametrize("seed", SEEDS)
def test_retargeting_reproduces_the_target(seed: int, proportions: str) -> None:
    scene = sample_scene(seed, FRAMES, SIZE, proportions)

    retargeted = retarget(scene.source_pose, scene.driving.poses(scene.motion), "full")

    truth = scene.source.poses(scene.motion)
    for result, expected in zip(retargeted, truth, strict=True):
        apart = np.abs(result.keypoints - expected.keypoints).max(axis=1)
        assert np.delete(apart, FORESHORTENED).max() < 1e-6
        assert apart[FORESHORTENED].max() < 0.012 * SIZE


@pytest.mark.parametrize("seed", SEEDS)
def test_source_has_the_position_of_the_first_target_frame(seed: int) -> None:
    scene = sample_scene(seed, FRAMES, SIZE)
    source, target = scene.source_pose, scene.source.poses(scene.motion)[0]

    np.testing.assert_allclose(
        source.keypoints[Joint.NECK], target.keypoints[Joint.NECK], atol=1e-9
    )
    assert not np.allclose(source.keypoints, target.keypoints, atol=1)


def test_crossed_proportions_pair_tall_with_chibi() -> None:
    pairs = [sample_scene(seed, 2, SIZE, "crossed") for seed in SEEDS]
    builds = [(scene.source.body.chibi, scene.driving.body.chibi) for scene in pairs]

    assert all(min(both) <= 0.2 and max(both) >= 0.8 for both in builds)
    assert {source < driving for source, driving in builds} == {True, False}
    with pytest.raises(ValueError, match="proportions is 'tall'"):
        sample_scene(0, 2, SIZE, "tall")


@pytest.mark.parametrize("seed", SEEDS)
def test_background_is_still(seed: int) -> None:
    scene = sample_scene(seed, FRAMES, SIZE)
    character = scene.source

    for pose in character.poses(scene.motion)[::4]:
        frame, coverage = character.draw(pose)
        outside = coverage == 0
        assert 0.4 < outside.mean() < 0.98
        assert np.array_equal(frame[outside], character.background[outside])
        assert not np.array_equal(frame[~outside], character.background[~outside])


@pytest.mark.parametrize("seed", SEEDS)
def test_character_covers_its_joints(seed: int) -> None:
    scene = sample_scene(seed, FRAMES, SIZE)
    limbs = [Joint.NECK, Joint.RIGHT_ELBOW, Joint.LEFT_WRIST, Joint.RIGHT_KNEE, Joint.LEFT_ANKLE]
    for pose in scene.source.poses(scene.motion)[::4]:
        _, coverage = scene.source.draw(pose)
        for x, y in pose.keypoints[limbs]:
            if 1 <= x < SIZE - 1 and 1 <= y < SIZE - 1:
                assert coverage[int(y), int(x)] > 128


def test_bone_lengths_change_only_by_foreshortening() -> None:
    rng = np.random.default_rng(0)
    body, motion = sample_body(rng), sample_motion(rng, FRAMES)
    neck = np.array([0.5, 0.3])

    for directions, short in zip(motion.directions, motion.foreshortening, strict=True):
        pose = place_joints(body, neck, directions, short, SIZE)
        drawn = [
            np.linalg.norm(pose.keypoints[child] - pose.keypoints[parent])
            for parent, child in BONES
        ]
        np.testing.assert_allclose(drawn, body.lengths * short * SIZE)
        assert pose.confidence.tolist() == [1.0] * NUM_JOINTS


def test_each_joint_is_placed_once() -> None:
    assert Counter(child for _, child in BONES) == {
        joint: 1 for joint in Joint if joint != Joint.NECK
    }


@pytest.mark.parametrize("name", MOTIONS)
def test_every_motion_moves_within_its_ranges(name: str) -> None:
    for seed in range(4):
        motion = sample_motion(np.random.default_rng(seed), 4 * FPS, name)

        assert motion.directions.shape == (4 * FPS, NUM_BONES) and len(motion) == 4 * FPS
        assert np.ptp(motion.directions, axis=0).max() > 0.3
        assert np.abs(np.diff(motion.directions, axis=0)).max() < 1.2  # no jumps
        assert (motion.foreshortening > 0).all() and (motion.foreshortening <= 1).all()
        np.testing.assert_array_equal(motion.foreshortening[0], 1)
        np.testing.assert_array_equal(motion.neck[0], 0)


def test_motions_are_sampled_randomly() -> None:
    by_name = {
        name: sample_motion(np.random.default_rng(7), FRAMES, name).directions for name in MOTIONS
    }
    drawn = [sample_motion(np.random.default_rng(seed), FRAMES).directions for seed in range(12)]

    assert len({directions.tobytes() for directions in [*by_name.values(), *drawn]}) == 12 + 7


def test_stance_is_one_frame_without_foreshortening() -> None:
    stance = sample_stance(np.random.default_rng(0))

    assert stance.directions.shape == (1, NUM_BONES)
    np.testing.assert_array_equal(stance.foreshortening, 1)
    np.testing.assert_array_equal(stance.neck, 0)


VARIANTS = [
    *({"hair_style": style} for style in HAIR_STYLES if style != "bald"),
    *({"pattern": pattern} for pattern in PATTERNS if pattern != "plain"),
    *({"leg_wear": wear} for wear in LEG_WEAR if wear != "trousers"),
    *({"sleeve": sleeve} for sleeve in (0.5, 1.0, 2.0)),
    {"outline": 0.5},
]


@pytest.mark.parametrize("change", VARIANTS, ids=lambda change: "-".join(map(str, *change.items())))
@pytest.mark.parametrize("chibi", [0.0, 1.0])
def test_every_appearance_choice_is_visible(change: dict[str, object], chibi: float) -> None:
    rng = np.random.default_rng(3)
    character = sample_character(rng, 64, chibi)
    [pose] = character.poses(sample_stance(rng))

    plain, other = (
        draw_puppet(character.background, pose, character.body, appearance)[0].astype(int)
        for appearance in (looks(), looks(**change))
    )

    assert (np.abs(plain - other).max(axis=2) > 12).sum() >= 8


def test_appearances_are_varied_and_in_range() -> None:
    drawn = [sample_appearance(np.random.default_rng(seed)) for seed in range(200)]

    assert {one.hair_style for one in drawn} == set(HAIR_STYLES)
    assert {one.pattern for one in drawn} == set(PATTERNS)
    assert {one.leg_wear for one in drawn} == set(LEG_WEAR)
    for one in drawn:
        for color in (one.skin, one.hair, one.eyes, one.shirt, one.leg_color, one.shoes):
            assert len(color) == 3 and all(0 <= channel <= 255 for channel in color)
    assert darker((200, 100, 0), 0.25) == (150, 75, 0)


def test_backgrounds_are_varied() -> None:
    pictures = [draw_background(np.random.default_rng(seed), SIZE) for seed in range(8)]

    assert all(one.shape == (SIZE, SIZE, 3) and one.dtype == np.uint8 for one in pictures)
    assert len({one.tobytes() for one in pictures}) == 8
    assert min(float(one.std()) for one in pictures) > 3  # a moving camera would show
