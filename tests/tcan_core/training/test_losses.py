"""The losses of the first steps, pinned: a change of numbers is a change of training."""

from __future__ import annotations

import pytest

from tests.tcan_core.training.conftest import TinyRuns

PINNED: dict[str, list[float]] = {
    "autoencoder": [0.301435, 0.281676, 0.309252, 0.272341],
    "pose-detector": [1.032359, 1.025162, 1.006893, 0.910192],
    "prior": [0.292128, 0.250284, 0.088706, 0.297246],
    "stage1": [0.264888, 0.136241, 0.148008, 0.279719],
    "stage2": [0.457736, 0.227631, 0.414114, 0.221714],
}


@pytest.mark.parametrize("stage", PINNED)
def test_the_first_losses_equal_recorded_ones(runs: TinyRuns, stage: str) -> None:
    scalars = runs.train(stage)

    assert [now["loss"] for now in scalars] == pytest.approx(PINNED[stage], rel=2e-3)


@pytest.mark.parametrize("stage", PINNED)
def test_bf16_losses_are_close_to_fp32(runs: TinyRuns, stage: str) -> None:
    scalars = runs.train(stage, precision="bf16")

    assert [now["loss"] for now in scalars] == pytest.approx(PINNED[stage], rel=0.1)
