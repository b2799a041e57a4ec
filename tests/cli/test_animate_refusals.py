"""`tcan animate` refuses at once what cannot end well."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tcan_core.errors import ParameterError
from tcan_core.models.devices import check_device
from tests.cli.conftest import Tcan


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--out", "nowhere/x.mp4"], "there is no folder nowhere; make it first"),
        (["--pose-video", "nowhere/p.mp4"], "there is no folder nowhere"),
        (["--out", "."], ". is a folder; name a file in it"),
        (["--audio"], "poses.json is a pose file, which has no sound"),
        (["--fusion", "heavy"], "fusion is 'heavy'; it must be pyramid or flat"),
        (["--noise", "pink"], "noise is 'pink'; it must be independent or freenoise"),
        (["--device", "gpu"], "there is no device 'gpu'; use cpu, cuda or cuda:0"),
        (["--device", "cuda:99"], "the device 'cuda:99' is not here: torch"),
    ],
)
def test_before_anything_is_read(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    # Neither would be a usable input.
    Path("image.png").write_bytes(b"")
    Path("poses.json").write_bytes(b"")
    words = ["--image", "image.png", "--driving", "poses.json", "--out", "x.mp4", *more]
    refused = tcan("animate", *words)
    assert refused.code == 2
    assert told in refused.err
    assert "Traceback" not in refused.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["image.png", "poses.json"]


def test_devices_that_are_here_are_taken() -> None:
    check_device("cpu")
    for number in range(torch.cuda.device_count()):
        check_device(f"cuda:{number}")
    with pytest.raises(ParameterError):
        check_device("")


TRAINING = """
preset: mini
run: {output: made, export: made, steps: 1, batch_size: 1, device: "cuda:99"}
data: {characters: 3}
"""


def test_training_for_a_device_that_is_not_here_does_not_begin(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stage1.yaml").write_text(TRAINING)
    refused = tcan("train", "stage1", "--config", "stage1.yaml")
    assert refused.code == 2
    assert "the device 'cuda:99' is not here: torch" in refused.err
    assert [file.name for file in tmp_path.iterdir()] == ["stage1.yaml"]
