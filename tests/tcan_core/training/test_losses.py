"""The losses of the first steps, pinned: a change of numbers is a change of training."""

from __future__ import annotations

import pytest

from tests.tcan_core.training.conftest import TinyRuns

PINNED: dict[str, list[float]] = {
    "autoencoder": [0.337126, 0.374288, 0.293590, 0.249925],
    "pose-detector": [1.028294, 1.025128, 1.011261, 0.909558],
    "prior": [0.321366, 0.210359, 0.141201, 0.085393],
    "stage1": [0.108938, 0.282609, 0.398615, 0.514679],
    "stage2": [0.447084, 0.383059, 0.263372, 0.194588],
}


@pytest.mark.parametrize("stage", PINNED)
def test_the_first_losses_are_what_they_were(runs: TinyRuns, stage: str) -> None:
    scalars = runs.train(stage)

    assert [now["loss"] for now in scalars] == pytest.approx(PINNED[stage], rel=2e-3)


@pytest.mark.parametrize("stage", PINNED)
def test_bf16_learns_about_the_same(runs: TinyRuns, stage: str) -> None:
    scalars = runs.train(stage, precision="bf16")

    assert [now["loss"] for now in scalars] == pytest.approx(PINNED[stage], rel=0.1)
