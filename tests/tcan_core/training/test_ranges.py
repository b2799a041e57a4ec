"""Numbers of a training configuration that are out of their range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tcan_core.config import load_config
from tcan_core.errors import ConfigError
from tcan_core.training.ranges import check_ranges
from tcan_core.training.stages import STAGES, run_stage
from tests.tcan_core.training.test_configs import CONFIGS, SHIPPED, stage_of

GOOD: dict[str, Any] = {
    "preset": "mini",
    "run": {"output": "o", "export": "e", "steps": 1, "batch_size": 1},
    "data": {"characters": 3},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": {"batch_size": 0}}, "run: batch_size is 0; allowed is at least 1"),
        ({"run": {"seed": -1}}, "run: seed is -1; allowed is at least 0"),
        ({"run": {"log_every": 0}}, "run: log_every is 0; allowed is at least 1"),
        ({"reference_dropout": 7}, "reference_dropout is 7.0; allowed is 0 to 1"),
        (
            {"optimizer": {"betas": [0.9, 1.0]}},
            r"optimizer: betas is \(0.9, 1.0\); allowed is 0 to 1 \(exclusive\)",
        ),
        ({"optimizer": {"learning_rate": 0}}, "learning_rate is 0.0; allowed is more than 0"),
        (
            {"optimizer": {"weight_decay": float("nan")}},
            "weight_decay is nan; allowed is at least 0",
        ),
        ({"data": {"size": 0}}, "data: size is 0; allowed is at least 1"),
    ],
)
def test_a_value_out_of_range_is_rejected(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    content = {
        key: GOOD.get(key, {}) | value if isinstance(value, dict) else value
        for key, value in (GOOD | change).items()
    }
    path = tmp_path / "stage1.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=rf"stage1\.yaml: .*{message}"):
        run_stage("stage1", str(path), False, lambda *_: None)


def test_a_name_that_no_preset_can_have_is_rejected_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "stage1.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"run": GOOD["run"] | {"export_preset": "my preset"}}))
    with pytest.raises(ConfigError, match="name is 'my preset'; allowed: letters, digits"):
        run_stage("stage1", str(path), False, lambda *_: None)


@pytest.mark.parametrize("path", SHIPPED)
def test_shipped_configurations_are_in_range(path: str) -> None:
    check_ranges(load_config(CONFIGS / path, STAGES[stage_of(path)][0]), path)
