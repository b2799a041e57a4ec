"""Images of any shape are fitted to the model and back."""

from __future__ import annotations

import numpy as np
import pytest

from media.poses.joints import NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.pipelines.fitting import fit_to, move_to_canvas, on_canvas


def pose_at(points: list[tuple[float, float]], canvas: tuple[int, int]) -> Pose:
    keypoints = np.zeros((NUM_JOINTS, 2))
    keypoints[: len(points)] = points
    return Pose(keypoints, np.ones(NUM_JOINTS), canvas)


@pytest.mark.parametrize(
    ("original", "scaled", "padded"),
    [
        ((64, 64), (64, 64), (64, 64)),
        ((32, 32), (64, 64), (64, 64)),
        ((512, 512), (64, 64), (64, 64)),
        ((1080, 604), (114, 64), (120, 64)),
        ((604, 1080), (64, 114), (64, 120)),
        ((65, 64), (65, 64), (72, 64)),
        ((33, 47), (64, 91), (64, 96)),
        ((16, 1000), (64, 4000), (64, 4000)),
    ],
)
def test_shorter_side_gets_the_resolution_and_both_are_padded(
    original: tuple[int, int], scaled: tuple[int, int], padded: tuple[int, int]
) -> None:
    fit = fit_to(original, resolution=64, factor=8)

    assert (fit.original, fit.scaled, fit.padded) == (original, scaled, padded)
    image = np.random.default_rng(0).integers(0, 256, (*original, 3), dtype=np.uint8)
    for_model = fit.to_model(image)
    assert for_model.shape == (*padded, 3)
    assert fit.to_caller(for_model).shape == image.shape


@pytest.mark.parametrize("size", [(64, 64), (64, 75), (90, 64)])
def test_image_of_the_models_scale_is_unchanged(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    fit = fit_to(size, resolution=64, factor=8)

    for_model = fit.to_model(image)

    assert np.array_equal(fit.to_caller(for_model), image)
    assert np.array_equal(for_model[: size[0], : size[1]], image)
    assert (for_model[:, size[1] :] == for_model[:, size[1] - 1 : size[1]]).all()  # edge repeated


def test_smooth_image_is_preserved_approximately() -> None:
    ys, xs = np.mgrid[0:123, 0:80]
    image = np.stack([xs * 3, ys * 2, xs + ys], axis=2).astype(np.uint8)
    fit = fit_to((123, 80), resolution=64, factor=8)

    back = fit.to_caller(fit.to_model(image))

    assert np.abs(back.astype(int) - image)[4:-4, 4:-4].max() <= 6


def test_poses_are_fitted_like_the_image() -> None:
    fit = fit_to((1080, 604), resolution=64, factor=8)
    pose = pose_at([(302, 540), (604, 1080)], (1080, 604))

    fitted = fit.pose(pose)

    np.testing.assert_allclose(fitted.keypoints[:2], [[32, 57], [64, 114]])
    assert fitted.canvas == (120, 64)  # padding lies at the right and the bottom


def test_hands_and_face_go_along() -> None:
    hand = np.column_stack([np.full((21, 2), 10.0), np.full(21, 0.5)])
    face = np.column_stack([np.full((70, 2), 4.0), np.full(70, 0.9)])
    pose = Pose(np.full((18, 2), 20.0), np.ones(18), (40, 40), hand, None, face)

    moved = on_canvas(pose, np.array([2.0, 3.0]), (120, 80), np.array([1.0, -1.0]))

    assert moved.hand_left is not None and moved.face is not None and moved.hand_right is None
    assert moved.keypoints[0].tolist() == [41, 59]
    assert moved.hand_left[0].tolist() == [21, 29, 0.5]
    assert moved.face[0].tolist() == [9, 11, 0.9]


def test_another_canvas_is_met_by_height_and_centred() -> None:
    [moved] = move_to_canvas([pose_at([(50, 10), (0, 100)], (100, 100))], (200, 300))

    np.testing.assert_allclose(moved.keypoints[:2], [[150, 20], [50, 200]])
    assert moved.canvas == (200, 300)


def test_stretched_image_is_a_square_for_the_model_and_returns_to_its_shape() -> None:
    fit = fit_to((40, 80), 64, 8, "stretch")
    image = np.random.default_rng(0).integers(0, 256, (40, 80, 3), dtype=np.uint8)

    assert (fit.scaled, fit.padded) == ((64, 64), (64, 64))
    assert fit.to_caller(fit.to_model(image)).shape == (40, 80, 3)
    moved = fit.pose(pose_at([(80.0, 40.0), (40.0, 10.0)], (40, 80)))
    assert np.allclose(moved.keypoints[:2], [(64, 64), (32, 16)])
