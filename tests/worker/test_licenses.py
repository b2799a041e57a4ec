"""The licences of a model's weights, which callers see and results do not depend on."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.contract.workers import ModelInfo
from tcan_core.models.weights.presets import load_preset
from tests.tcan_core.tiny_weights import TINY
from worker.model_info import model_info
from worker.outputs.checkpoints import model_fingerprint


def described(name: str) -> ModelInfo:
    """Describe a preset without its weights."""
    return model_info(load_preset(name), None, loaded=False)


@pytest.mark.parametrize(
    ("preset", "licenses"),
    [
        ("mini", ("apache-2.0",)),
        ("musepose", ("creativeml-openrail-m", "mit", "non-commercial research only")),
        (str(TINY), ()),
    ],
)
def test_licences_are_those_of_the_weights(preset: str, licenses: tuple[str, ...]) -> None:
    assert described(preset).licenses == licenses


def test_licences_decide_no_result(tmp_path: Path) -> None:
    model = described("mini")
    assert model_fingerprint(model) == model_fingerprint(model.model_copy(update={"licenses": ()}))
    assert "licenses" not in model.identity()
