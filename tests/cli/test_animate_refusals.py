"""`tcan animate` refuses at once what cannot end well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from media.image import write_png
from media.poses.keypoints import Pose
from media.poses.pose_file import write_pose_file
from tcan_core.errors import ParameterError
from tcan_core.models.devices import check_device, check_devices
from tests.cli.conftest import Tcan
from tests.tcan_core.tiny_weights import TINY


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "nowhere/x.mp4"], "there is no folder nowhere; make it first"),
        (["--pose-video", "nowhere/p.mp4"], "there is no folder nowhere"),
        (["--out", "."], ". is a folder; name a file in it"),
        (["--trim", "4"], "trim is '4'; give START:END in seconds, such as 1.5:4"),
        (["--audio"], "poses.json is a pose file, which has no sound"),
        (["--fusion", "heavy"], "fusion is 'heavy'; it must be pyramid or flat"),
        (["--root-motion", "free"], "--root-motion is 'free'; it must be full or bounded or none"),
        (["--noise", "pink"], "noise is 'pink'; it must be independent or freenoise"),
        (["--device", "gpu"], "'gpu' is not a device; use cpu, cuda or cuda:0"),
        (["--device", "cuda:99"], "device 'cuda:99' does not exist: torch"),
    ],
)
def test_invalid_options_are_rejected_before_inputs_are_read(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    # Neither would be a usable input.
    Path("image.png").write_bytes(b"")
    Path("poses.json").write_bytes(b"")
    words = ["--image", "image.png", "--driving", "poses.json", "--out", "x.mp4", *more]
    refused = tcan("animate", *words)
    assert refused.code == 2
    assert message in refused.err
    assert "Traceback" not in refused.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["image.png", "poses.json"]


def test_warnings_about_poses_are_printed_before_the_model_is_loaded(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_png(Path("image.png"), np.zeros((64, 64, 3), np.uint8))
    joints = np.linspace(8, 56, 36).reshape(18, 2)
    for name, points in (("source.json", joints), ("driving.json", joints / 4)):
        pose = Pose(keypoints=points, confidence=np.ones(18), canvas=(64, 64))
        write_pose_file(Path(name), [[pose]])
    words = ["--image", "image.png", "--driving", "driving.json", "--source-pose", "source.json"]
    words += ["--any-subject", "--memory-limit", "1"]
    failed = tcan("animate", *words, "--out", "x.mp4", "--no-retarget")
    assert failed.code == 2
    warnings, _, reason = failed.err.rpartition("error: ")
    assert "memory" in reason  # so nothing was rendered
    assert "warning: the driving person has another size in its frame" in warnings
    assert "not corrected without retargeting" in warnings


def test_existing_devices_are_accepted() -> None:
    check_device("cpu")
    for number in range(torch.cuda.device_count()):
        check_device(f"cuda:{number}")
    with pytest.raises(ParameterError):
        check_device("")


def test_missing_and_repeated_devices_are_rejected() -> None:
    check_devices(("cpu", "cpu"))
    with pytest.raises(ParameterError, match="cuda:0,cpu,cuda name a GPU twice"):
        check_devices(("cuda:0", "cpu", "cuda"))
    with pytest.raises(ParameterError, match="'cuda:64' does not exist"):
        check_devices(("cpu", "cuda:64"))


TRAINING = """
preset: mini
run: {output: made, export: made, steps: 1, batch_size: 1, device: "cuda:99"}
data: {characters: 3}
"""


def test_training_on_a_missing_device_is_rejected(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("stage1.yaml").write_text(TRAINING)
    refused = tcan("train", "stage1", "--config", "stage1.yaml")
    assert refused.code == 2
    assert "device 'cuda:99' does not exist: torch" in refused.err
    assert [file.name for file in tmp_path.iterdir()] == ["stage1.yaml"]


def test_image_without_a_puppet_is_refused_by_mini(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_png(Path("me.png"), np.zeros((64, 64, 3), np.uint8))
    Path("dance.json").write_bytes(b"")  # is not read
    words = ["animate", "--image", "me.png", "--driving", "dance.json", "--out", "x.mp4"]
    refused = tcan(*words)
    assert refused.code == 2 and not Path("x.mp4").exists()
    assert "me.png shows no puppet; the preset mini animates only" in refused.err
    assert "tcan models pull" in refused.err and "--any-subject" in refused.err


def test_missing_weights_are_told_once_before_inputs_are_read(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("me.png").write_bytes(b"")
    words = ["animate", "--image", "me.png", "--driving", "me.png", "--out", "x.mp4"]
    lacking = tcan(*words, "--preset", "sd15")
    assert lacking.code == 1
    assert "no weights for vae, text_encoder, denoising_unet" in lacking.err
    assert lacking.err.count("tcan models pull sd15") == 1
    own = tcan(*words, "--preset", str(TINY)).err
    assert "no weights for vae" in own and "`tcan models import FILE --preset tiny`" in own
