"""The temperature map equals its definition, computed by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tcan_core.conditioning.skeleton import draw_pose
from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import ParameterError
from tests.tcan_core.conditioning.make_poses import standing


def _by_definition(pose_maps: NDArray[np.uint8], tau: float) -> NDArray[np.float64]:
    drawn = (pose_maps > 0).any(axis=(0, 3))
    height, width = drawn.shape
    if not drawn.any():
        return np.ones((height, width))
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1)
    apart = grid.reshape(-1, 1, 2) - np.argwhere(drawn)[None]
    nearest = np.sqrt((apart**2).sum(axis=-1).min(axis=1)).reshape(height, width)
    return np.asarray(1 + tau * nearest / (np.sqrt(height**2 + width**2) / 2), np.float64)


@pytest.mark.parametrize("size", [(64, 64), (48, 96), (97, 33), (5, 200)])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_map_equals_the_definition(size: tuple[int, int], count: int) -> None:
    random = np.random.default_rng(count)
    maps = np.zeros((4, *size, 3), np.uint8)
    for _ in range(count):
        frame, row, column, channel = (random.integers(0, n) for n in maps.shape)
        maps[frame, row, column, channel] = random.integers(1, 256)

    result = temperature_map(maps)

    assert result.dtype == np.float32 and result.shape == size
    # To the last bit, so that a seed's video is reproducible.
    assert np.array_equal(result, np.asarray(_by_definition(maps, 3.0), np.float32))


def test_large_map_is_exact() -> None:
    maps = np.zeros((1, 512, 768, 3), np.uint8)
    maps[0, 40, 30, 1] = 1
    maps[0, 500, 700, 2] = 255
    assert np.allclose(temperature_map(maps, 1.5), _by_definition(maps, 1.5), atol=1e-6)


def test_map_uses_the_union_of_all_frames() -> None:
    poses = [standing(6.0, neck=(x, 30.0), canvas=(80, 64)) for x in (15.0, 32.0, 45.0)]
    maps = np.stack([draw_pose(pose) for pose in poses])
    result = temperature_map(maps)
    assert np.allclose(result, _by_definition(maps, 3.0), atol=1e-6)
    assert (result[(maps > 0).any(axis=(0, 3))] == 1).all()


def test_map_without_skeletons_is_one() -> None:
    assert (temperature_map(np.zeros((3, 32, 48, 3), np.uint8)) == 1).all()
    assert (temperature_map(np.zeros((0, 32, 48, 3), np.uint8)) == 1).all()


def test_tau_of_zero_disables_the_map() -> None:
    maps = np.zeros((1, 32, 32, 3), np.uint8)
    maps[0, 0, 0] = 255
    assert (temperature_map(maps, tau=0) == 1).all()


def test_invalid_map_is_rejected() -> None:
    with pytest.raises(ParameterError, match=r"shape \(32, 32, 3\); it must be \(frames, height"):
        temperature_map(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ParameterError, match="tau is -1"):
        temperature_map(np.zeros((1, 32, 32, 3), np.uint8), tau=-1)
