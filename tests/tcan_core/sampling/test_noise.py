from typing import Any

import pytest
import torch

from tcan_core.errors import ParameterError
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.noise import NoiseKind, freenoise_frames, initial_noise

SHAPE = (4, 8, 8)


@pytest.mark.parametrize("kind", ["independent", "freenoise"])
def test_noise_of_a_frame_does_not_depend_on_the_length(kind: NoiseKind) -> None:
    long = initial_noise(100, SHAPE, seed=3, kind=kind)

    assert long.shape == (1, 4, 100, 8, 8)
    for num_frames in (1, 15, 16, 17, 61):
        assert torch.equal(initial_noise(num_frames, SHAPE, 3, kind), long[:, :, :num_frames])


@pytest.mark.parametrize("kind", ["independent", "freenoise"])
def test_noise_is_seeded_and_has_unit_variance(kind: NoiseKind) -> None:
    noise = initial_noise(32, (8, 16, 16), seed=0, kind=kind)

    assert not torch.equal(noise, initial_noise(32, (8, 16, 16), seed=1, kind=kind))
    assert abs(noise.mean().item()) < 0.01
    assert abs(noise.std().item() - 1) < 0.01


def test_independent_frames_differ() -> None:
    noise = initial_noise(24, SHAPE, seed=0)

    assert len({tuple(frame.flatten().tolist()) for frame in noise[0].unbind(1)}) == 24


def test_freenoise_windows_are_shuffles_of_the_same_draws() -> None:
    draws = freenoise_frames(160, seed=5)
    windows = context_windows(160)

    noise = [[draws[frame] for frame in window] for window in windows]
    assert all(sorted(window) == list(range(16)) for window in noise)
    assert noise[0] == list(range(16))
    assert len({tuple(window) for window in noise}) == len(windows)


def test_both_kinds_share_the_first_window() -> None:
    independent, freenoise = (initial_noise(40, SHAPE, 7, kind) for kind in _kinds())

    assert torch.equal(independent[:, :, :16], freenoise[:, :, :16])
    assert not torch.equal(independent[:, :, 16:], freenoise[:, :, 16:])


def test_tiled_noise_repeats_the_first_window() -> None:
    tiled, independent = (initial_noise(40, SHAPE, 7, kind) for kind in ("tiled", "independent"))

    assert torch.equal(tiled, independent[:, :, [frame % 16 for frame in range(40)]])


def test_invalid_arguments_are_rejected() -> None:
    kind: Any = "pink"
    with pytest.raises(ParameterError, match="'pink'; .* 'freenoise' or 'tiled'"):
        initial_noise(4, SHAPE, 0, kind)
    with pytest.raises(ParameterError, match="seed is -1"):
        initial_noise(4, SHAPE, -1)


def _kinds() -> tuple[NoiseKind, NoiseKind]:
    return "independent", "freenoise"
