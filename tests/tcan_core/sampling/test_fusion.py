from typing import Any

import pytest
import torch

from tcan_core.errors import ContextWindowError, ParameterError
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.fusion import FusionKind, WindowFuser, fuse_windows, window_weights


def test_pyramid_weights_are_the_distance_from_the_nearer_edge() -> None:
    assert window_weights(6, "pyramid").tolist() == [1, 2, 3, 3, 2, 1]
    assert window_weights(5, "pyramid").tolist() == [1, 2, 3, 2, 1]
    assert window_weights(3, "flat").tolist() == [1, 1, 1]


def test_unknown_kind_is_rejected() -> None:
    kind: Any = "gauss"
    with pytest.raises(ParameterError, match="'gauss'"):
        window_weights(4, kind)


@pytest.mark.parametrize("kind", ["pyramid", "flat"])
@pytest.mark.parametrize("num_frames", [5, 16, 30, 160])
def test_fusing_a_constant_gives_that_constant(kind: FusionKind, num_frames: int) -> None:
    windows = context_windows(num_frames)
    predictions = torch.full((len(windows), 2, 3, len(windows[0]), 4, 5), 0.37)

    fused = fuse_windows(predictions, windows, num_frames, kind)

    torch.testing.assert_close(fused, torch.full((2, 3, num_frames, 4, 5), 0.37))


@pytest.mark.parametrize("kind", ["pyramid", "flat"])
def test_equal_predictions_are_reassembled(kind: FusionKind) -> None:
    video = torch.randn(1, 2, 40, 3, 3, generator=torch.Generator().manual_seed(0))
    windows = context_windows(40)

    fused = fuse_windows(
        torch.stack([video[:, :, window] for window in windows]), windows, 40, kind
    )

    torch.testing.assert_close(fused, video)


def test_overlap_is_the_weighted_mean() -> None:
    windows = [[0, 1, 2], [1, 2, 3]]
    predictions = torch.stack([torch.zeros(1, 1, 3, 1, 1), torch.ones(1, 1, 3, 1, 1)])

    pyramid = fuse_windows(predictions, windows, 4, "pyramid").flatten()
    flat = fuse_windows(predictions, windows, 4, "flat").flatten()

    torch.testing.assert_close(pyramid, torch.tensor([0, 1 / 3, 2 / 3, 1]))
    torch.testing.assert_close(flat, torch.tensor([0, 0.5, 0.5, 1]))


def test_half_precision_windows_are_summed_in_single_precision() -> None:
    windows = context_windows(64)
    fuser = WindowFuser(windows, (1, 1, 64, 1, 1))
    for index in range(len(windows)):
        fuser.add(index, torch.full((1, 1, 16, 1, 1), 0.1, dtype=torch.bfloat16))

    assert fuser.result().dtype == torch.float32
    assert len(set(fuser.result().flatten().tolist())) == 1


def test_error_names_an_uncovered_frame() -> None:
    with pytest.raises(ContextWindowError, match=r"frames \[2\] of 5"):
        WindowFuser([[0, 1], [3, 4]], (1, 1, 5, 1, 1))


def test_window_outside_the_video_is_rejected() -> None:
    with pytest.raises(ContextWindowError, match=r"\[3, 4\] of a video of 4"):
        WindowFuser([[0, 1], [2, 3], [3, 4]], (1, 1, 4, 1, 1))
