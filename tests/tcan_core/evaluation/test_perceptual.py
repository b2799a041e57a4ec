"""LPIPS from its package, on an AlexNet with random weights.

Needs torchvision: run `make pose`, then `make test ARGS="-m pose"`.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tcan_core.errors import ConfigError, InputError, WeightsError
from tcan_core.evaluation.evaluate import Driving, EvaluateOptions, evaluate_pairs
from tcan_core.evaluation.metrics import Frames
from tcan_core.evaluation.pairs import Pair
from tcan_core.evaluation.perceptual import BACKBONE_FILE, Lpips, backbone_file


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty cache folder of torchvision."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def alexnet() -> dict[str, Any]:
    """Random weights under torchvision's own names."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    weights: dict[str, Any] = alexnet(weights=None).state_dict()
    return weights


def clip(seed: int, frames: int = 18, side: int = 40) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (frames, side, side, 3), np.uint8)


@pytest.mark.pose
def test_lpips_equals_the_packages_own_result(cache: Path, alexnet: dict[str, Any]) -> None:
    import lpips
    from torchvision.models import AlexNet_Weights

    assert AlexNet_Weights.DEFAULT.url.endswith("/" + BACKBONE_FILE)
    torch.save(alexnet, cache / BACKBONE_FILE)
    one, other = clip(0), clip(1)

    metric = Lpips()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="alex", verbose=False)  # takes what lies in torchvision's cache
    images = [torch.from_numpy(c).permute(0, 3, 1, 2).float() / 127.5 - 1 for c in (one, other)]
    with torch.no_grad():
        assert metric(one, other) == pytest.approx(float(theirs(*images).mean()), rel=1e-5)
    assert metric(one, one) == 0.0 < metric(one, other)
    for wrong in (clip(1, 17), clip(1, side=30)):
        with pytest.raises(InputError):
            metric(wrong, wrong if len(wrong) == 18 else one)


@pytest.mark.pose
def test_a_report_includes_lpips(
    cache: Path, alexnet: dict[str, Any], pairs_dir: Path, tmp_path: Path
) -> None:
    def repeat_truth(pair: Pair, driving: Driving, seed: int) -> Frames:
        return pair.truth()

    torch.save(alexnet, cache / BACKBONE_FILE)
    options = EvaluateOptions(drivings=("pose",), limit=1, more={"lpips": Lpips()})
    report = evaluate_pairs(pairs_dir, repeat_truth, tmp_path / "r.json", options)

    [measured] = report.clips
    assert measured.results["pose"]["lpips"] == 0.0
    assert (measured.results["repeat_source"]["lpips"] or 0.0) > 0.0
    assert report.metrics()[-1] == "lpips"


@pytest.mark.pose
def test_a_damaged_weights_file_is_rejected(cache: Path, alexnet: dict[str, Any]) -> None:
    (cache / BACKBONE_FILE).write_bytes(b"half of a file")
    with pytest.raises(WeightsError, match=f"{BACKBONE_FILE}: not a weights file"):
        Lpips()
    torch.save({"features.0.weight": alexnet["features.0.weight"]}, cache / BACKBONE_FILE)
    with pytest.raises(WeightsError, match=f"{BACKBONE_FILE}: keys 9 missing"):
        Lpips()


def test_the_models_folder_takes_precedence(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WeightsError, match=f"{BACKBONE_FILE} exists; .*download it with `python -c"
    ):
        backbone_file()
    (cache / BACKBONE_FILE).touch()
    assert backbone_file() == cache / BACKBONE_FILE
    own = tmp_path / "models" / "lpips" / BACKBONE_FILE
    own.parent.mkdir(parents=True)
    own.touch()
    assert backbone_file() == own


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)  # as where it is not installed
    with pytest.raises(ConfigError, match=r"needs the extra `lpips` .*'tcan\[lpips\]'"):
        Lpips()
