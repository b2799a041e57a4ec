"""A ControlNet in blocks: each frame's residuals are those of its block."""

from __future__ import annotations

import torch
from torch import Tensor

from tcan_core.pipelines.control_blocks import ControlBlocks


class Recorder:
    """A ControlNet whose residuals name the frame and its block's first frame."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def __call__(self, frames: list[int], count: int | None) -> tuple[list[Tensor], Tensor | None]:
        self.calls.append(frames)
        named = torch.tensor([[frame, frames[0]] for frame in frames])
        return ([named] * 2, named) if count is None else ([named] * count, None)


def test_frames_take_the_residuals_of_their_block() -> None:
    recorder = Recorder()
    blocks = ControlBlocks(recorder, num_frames=10, block_size=4)

    down, mid = blocks.of_windows([[2, 3, 4, 5], [8, 9, 0, 1]], None)

    expected = [[2, 0], [3, 0], [4, 4], [5, 4], [8, 8], [9, 8], [0, 0], [1, 0]]
    assert len(down) == 2
    assert all(part.tolist() == expected for part in down)
    assert mid is not None and mid.tolist() == expected
    assert recorder.calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3]]


def test_blocks_are_computed_once_per_step_for_neighbouring_windows() -> None:
    recorder = Recorder()
    blocks = ControlBlocks(recorder, num_frames=12, block_size=4)

    for _ in range(2):
        blocks.begin_step()
        for window in ([0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]):
            blocks.of_windows([window], None)

    assert [call[0] for call in recorder.calls] == [0, 4, 8] * 2


def test_cached_and_uncached_windows_get_their_number_of_residuals() -> None:
    blocks = ControlBlocks(Recorder(), num_frames=4, block_size=4)

    assert len(blocks.of_windows([[0, 1]], None)[0]) == 2
    down, mid = blocks.of_windows([[0, 1]], 1)

    assert len(down) == 1 and mid is None
