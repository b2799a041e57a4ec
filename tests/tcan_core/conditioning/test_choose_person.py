"""The main person is chosen and followed, also when others pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.cleaning.person import choose_person, parse_person
from tcan_core.errors import ParameterError
from tests.tcan_core.conditioning.make_poses import (
    build,
    random_lengths,
    random_motion,
    standing,
    with_random_gaps,
)

CANVAS = (400, 400)


def _walkers(random: np.random.Generator, frames: int) -> tuple[list[Pose], list[Pose]]:
    """Return two people of similar size who cross."""
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
def test_same_person_is_followed_when_two_cross(seed: int) -> None:
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


def test_larger_person_is_the_main_one() -> None:
    large, small = standing(20.0), standing(9.0, neck=(220.0, 100.0))
    assert all(_is(pose, large) for pose in choose_person([[small, large]] * 10))


def test_person_with_more_frames_is_the_main_one() -> None:
    stays, visits = standing(15.0), standing(20.0, neck=(220.0, 100.0))
    frames = [[stays, visits] if 10 <= i < 16 else [stays] for i in range(40)]
    assert all(_is(pose, stays) for pose in choose_person(frames))


def test_main_person_is_missing_in_frames_with_others_only() -> None:
    main, other = standing(20.0), standing(12.0, neck=(230.0, 100.0))
    frames = [[main, other] if i not in (10, 11) else [other] for i in range(30)]
    chosen = choose_person(frames)
    assert [i for i, pose in enumerate(chosen) if pose is None] == [10, 11]


def test_returning_person_is_recognized() -> None:
    person = standing(20.0)
    elsewhere = standing(19.0, neck=(40.0, 100.0))
    frames: list[list[Pose]] = [[person]] * 20 + [[]] * 50 + [[elsewhere]] * 20
    chosen = choose_person(frames)
    assert all(_is(pose, elsewhere) for pose in chosen[70:])
    assert chosen[20:70] == [None] * 50


def test_much_smaller_person_is_someone_else() -> None:
    frames: list[list[Pose]] = [[standing(20.0)]] * 20 + [[]] * 50 + [[standing(8.0)]] * 20
    assert choose_person(frames)[70:] == [None] * 20


def test_frames_without_people_give_none() -> None:
    assert choose_person([]) == []
    assert choose_person([[], [no_pose(CANVAS)]]) == [None, None]


def _meeting(different: bool) -> tuple[list[Pose], list[Pose]]:
    """Return two people of the same build who cross, with different or unknown colours."""
    across = np.linspace(0, 140, 40)
    colours = np.eye(64)[[3, 40]] if different else [None, None]
    return tuple(  # type: ignore[return-value]
        [replace(standing(20.0, neck=(x, 100.0), canvas=CANVAS), appearance=colour) for x in places]
        for places, colour in zip((130 + across, 270 - across), colours, strict=True)
    )


@pytest.mark.parametrize("has_colours", [True, False])
@pytest.mark.parametrize("apart", [60.0, 75.0, 100.0])
def test_two_visible_people_are_not_swapped_for_a_third_one(
    apart: float, has_colours: bool
) -> None:
    """The right one of two is not detected in the frame in which somebody passes at the left."""
    colours = np.eye(64)[[3, 40, 20]] if has_colours else [None] * 3
    passer_by, one, other = (
        replace(standing(20.0, neck=(x, 100.0), canvas=CANVAS), appearance=colour)
        for x, colour in zip((200.0 - apart, 200.0, 200.0 + apart), colours, strict=True)
    )
    frames = [[passer_by, one] if i == 10 else [one, other] for i in range(20)]

    for index, mine in ((0, one), (1, other)):
        chosen = choose_person(frames, index)
        assert all(_is(pose, mine) for i, pose in enumerate(chosen) if i != 10)
    assert choose_person(frames, 1)[10] is None


@pytest.mark.parametrize(("different", "recognized"), [(True, True), (False, False)])
def test_person_hidden_while_crossing_is_recognized_by_appearance(
    different: bool, recognized: bool
) -> None:
    one, other = _meeting(different)
    hidden = range(13, 27)  # longer than a track is predicted
    frames = [[] if i in hidden else [one[i], other[i]] for i in range(40)]
    chosen = choose_person(frames)
    mine = one if _is(chosen[0], one[0]) else other
    assert all(_is(chosen[i], mine[i]) for i in range(13))
    assert all(_is(chosen[i], mine[i]) for i in range(27, 40)) is recognized


def test_requested_person_is_chosen_by_index_or_position() -> None:
    left, middle, right = (
        standing(size, neck=(x, 100.0), canvas=CANVAS)
        for size, x in ((10, 60), (20, 200), (10, 340))
    )
    frames = [[], [right, left, middle], [middle, right, left]]
    for person, pose in (
        (0, left),
        (1, middle),
        (2, right),
        ((0.1, 0.3), left),
        ((0.9, 0.3), right),
    ):
        assert all(_is(found, pose) for found in choose_person(frames, person)[1:])
    with pytest.raises(
        ParameterError, match="person is 3; frame 1, .* has 3, so it must be 0 to 2"
    ):
        choose_person(frames, 3)


@pytest.mark.parametrize("text", ["left", "1,", "1,2,3", "0.5"])
def test_invalid_choice_is_rejected(text: str) -> None:
    with pytest.raises(ParameterError, match=f"person is '{text}'; it must be an index"):
        parse_person(text)


def test_choice_is_parsed() -> None:
    assert parse_person(None) is None
    assert parse_person("2") == 2 and parse_person("0.25,0.5") == (0.25, 0.5)
