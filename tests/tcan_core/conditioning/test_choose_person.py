"""The main person is chosen and kept, whoever walks by."""

from __future__ import annotations

import numpy as np
import pytest

from tcan_core.conditioning.cleaning import choose_person
from tcan_core.conditioning.keypoints import Pose, no_pose
from tests.tcan_core.conditioning.make_poses import (
    build,
    random_lengths,
    random_motion,
    standing,
    with_random_gaps,
)

CANVAS = (400, 400)


def _walkers(random: np.random.Generator, frames: int) -> tuple[list[Pose], list[Pose]]:
    """Two people of about one size who walk through each other."""
    walkers = []
    for start, stop in ((80.0, 320.0), (320.0, 80.0)):
        lengths = random_lengths(random, 20 * random.uniform(0.9, 1.1))
        directions, _ = random_motion(random, frames)
        necks = zip(
            np.linspace(start, stop, frames), [random.uniform(90, 110)] * frames, strict=True
        )
        walkers.append(
            [
                with_random_gaps(random, build(lengths, d, neck, CANVAS), 0.1)
                for d, neck in zip(directions, necks, strict=True)
            ]
        )
    return walkers[0], walkers[1]


def _is(pose: Pose | None, other: Pose) -> bool:
    return (
        pose is not None
        and np.array_equal(pose.confidence, other.confidence)
        and np.array_equal(pose.keypoints[pose.detected], other.keypoints[other.detected])
    )


@pytest.mark.parametrize("seed", range(20))
def test_the_same_person_is_kept_when_two_cross(seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = _walkers(random, 40)
    hidden = range(18, 22) if seed % 2 else range(0)
    frames = []
    for i in range(40):
        people = [other[i]] if i in hidden else [one[i], other[i]]
        frames.append(people if random.random() < 0.5 else people[::-1])

    chosen = choose_person(frames)

    before = [_is(chosen[i], one[i]) for i in range(12)]
    after = [_is(chosen[i], one[i]) for i in range(28, 40)]
    assert all(before) == any(before), "one of them from the first"
    assert before[0] == after[0] and all(after) == any(after), "and the same to the end"


def test_the_larger_person_is_the_main_one() -> None:
    large, small = standing(20.0), standing(9.0, neck=(220.0, 100.0))
    assert all(_is(pose, large) for pose in choose_person([[small, large]] * 10))


def test_the_one_who_stays_is_the_main_one() -> None:
    stays, visits = standing(15.0), standing(20.0, neck=(220.0, 100.0))
    frames = [[stays, visits] if 10 <= i < 16 else [stays] for i in range(40)]
    assert all(_is(pose, stays) for pose in choose_person(frames))


def test_where_only_another_is_seen_the_main_person_is_missing() -> None:
    main, other = standing(20.0), standing(12.0, neck=(230.0, 100.0))
    frames = [[main, other] if i not in (10, 11) else [other] for i in range(30)]
    chosen = choose_person(frames)
    assert [i for i, pose in enumerate(chosen) if pose is None] == [10, 11]


def test_a_person_who_comes_back_is_the_same() -> None:
    person = standing(20.0)
    elsewhere = standing(19.0, neck=(40.0, 100.0))
    frames: list[list[Pose]] = [[person]] * 20 + [[]] * 50 + [[elsewhere]] * 20
    chosen = choose_person(frames)
    assert all(_is(pose, elsewhere) for pose in chosen[70:])
    assert chosen[20:70] == [None] * 50


def test_a_much_smaller_person_is_another() -> None:
    frames: list[list[Pose]] = [[standing(20.0)]] * 20 + [[]] * 50 + [[standing(8.0)]] * 20
    assert choose_person(frames)[70:] == [None] * 20


def test_nobody_gives_nobody() -> None:
    assert choose_person([]) == []
    assert choose_person([[], [no_pose(CANVAS)]]) == [None, None]
