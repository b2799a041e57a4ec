"""Detectors are built by name, once per process, and find people."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.digest import file_sha256
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning import openpose_detector
from tcan_core.conditioning.detector_weights import detector_files
from tcan_core.conditioning.detectors import (
    build_detector,
    detectors,
    installed_detector,
    register_detector,
)
from tcan_core.conditioning.dwpose_detector import JOINTS_FILE, PEOPLE_FILE
from tcan_core.errors import ConfigError, ParameterError, WeightsError
from tcan_core.models.weights.hub.files import load_file_set
from tcan_core.models.weights.store import LockEntry, lock
from tests.tcan_core.conditioning.make_poses import standing


class BrightnessDetector:
    """A detector of a large and a small person in light frames, and of none in dark ones."""

    built = 0

    def __init__(self) -> None:
        BrightnessDetector.built += 1

    def detect(self, frames: NDArray[np.uint8]) -> list[list[Pose]]:
        canvas = (frames.shape[1], frames.shape[2])
        people = [standing(8.0, canvas=canvas), standing(20.0, canvas=canvas)]
        return [people if frame.mean() > 127 else [] for frame in frames]


def test_registered_detector_is_built_once_on_demand() -> None:
    register_detector("brightness", BrightnessDetector)
    assert "brightness" in detectors() and BrightnessDetector.built == 0

    detector = build_detector("brightness")

    assert build_detector("brightness") is detector and BrightnessDetector.built == 1
    light, dark = np.full((256, 256, 3), 200, np.uint8), np.zeros((256, 256, 3), np.uint8)
    assert [len(people) for people in detector.detect(np.stack([light, dark]))] == [2, 0]
    assert np.array_equal(detector.detect_one(light).keypoints, standing(20.0).keypoints)
    empty = detector.detect_one(dark[:100])
    assert empty.canvas == no_pose((100, 256)).canvas and not empty.detected.any()
    with pytest.raises(ParameterError, match="there is a detector 'brightness' already"):
        register_detector("brightness", BrightnessDetector)


def test_unknown_name_is_rejected() -> None:
    with pytest.raises(ParameterError, match=r"detector is 'eyes'; it must be one of .*puppet"):
        build_detector("eyes")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("openpose", "pose"),
        ("dwpose", "dwpose"),
        ("dwpose@cuda", "dwpose"),
        ("movenet@cuda", "movenet"),
    ],
)
def test_missing_requirements_of_a_detector_are_named(
    name: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the extra it is the package, with it the weights."""
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    for module in ("controlnet_aux", "onnxruntime", "rtmlib"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    with pytest.raises(ConfigError, match=f"needs the extra `{extra}` .*`make {extra}`"):
        build_detector(name)


def test_missing_weights_are_named_with_the_pull_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    (tmp_path / "dwpose").mkdir()
    (tmp_path / "dwpose" / "a.onnx").touch()
    with pytest.raises(WeightsError, match=r"lacks b.onnx, c.onnx; run `tcan models pull dwpose`"):
        detector_files("dwpose", ["a.onnx", "b.onnx", "c.onnx"])


def test_weights_must_match_the_pinned_digest_and_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    store = tmp_path / "eyes"
    store.mkdir()
    (store / "iris.onnx").write_bytes(b"of the first pull")
    (store / "pupil.onnx").write_bytes(b"as pinned")
    pinned = file_sha256(store / "pupil.onnx")
    (store / "files.yaml").write_text(
        "name: eyes\ndescription: of two files\nfiles:\n"
        "  iris.onnx: {repo: a/b, file: iris.onnx}\n"
        f"  pupil.onnx: {{repo: a/b, file: pupil.onnx, sha256: '{pinned}'}}\n"
    )
    names = ("iris.onnx", "pupil.onnx")
    lock(store, {"iris.onnx": LockEntry(file_sha256(store / "iris.onnx"), "a hub")})
    assert detector_files("eyes", names) == store

    for name, who in (("iris.onnx", "weights.lock.json"), ("pupil.onnx", "the preset")):
        right = (store / name).read_bytes()
        (store / name).write_bytes(b"another")
        with pytest.raises(WeightsError, match=f"{name}: sha256 is .*, but {who} has"):
            detector_files("eyes", names)
        (store / name).write_bytes(right)


@pytest.mark.parametrize("name", ["puppet@cuda:99", "dwpose@tpu", "movenet@tpu"])
def test_unavailable_device_is_rejected(name: str) -> None:
    with pytest.raises(ParameterError, match="use cpu"):
        build_detector(name)


def test_auto_is_dwpose_where_it_is_installed_and_movenet_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    assert build_detector("auto") is build_detector("movenet")
    (tmp_path / "dwpose").mkdir()
    for name in (JOINTS_FILE, PEOPLE_FILE):
        assert installed_detector() == "movenet"
        (tmp_path / "dwpose" / name).write_bytes(b"half of a file")
    with pytest.raises(WeightsError, match="sha256 is"):  # not movenet without a word
        build_detector("auto")


def test_auto_without_libraries_names_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for module in ("onnxruntime", "rtmlib"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ConfigError, match="`make movenet` or .*`make dwpose` and `tcan models pul"):
        build_detector("auto")


@pytest.mark.parametrize("detector", ["openpose", "dwpose"])
def test_detector_reads_the_files_that_are_pulled(detector: str) -> None:
    files = load_file_set(detector).files
    read = {"openpose": openpose_detector.FILES, "dwpose": (PEOPLE_FILE, JOINTS_FILE)}[detector]
    assert set(files) == set(read)
    for name, file in files.items():
        assert file.file == name and file.license
        assert file.sha256 and len(file.sha256) == 64
        assert file.revision and len(file.revision) == 40


def test_onnxruntime_collects_no_usage_data(tmp_path: Path) -> None:
    # It would write an id of the machine into the user's cache, except where CI is set.
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    folders = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    code = (
        "from tcan_core.conditioning.detectors import build_detector\n"
        "from tcan_core.errors import WeightsError\n"
        "try: build_detector('dwpose')\n"
        "except WeightsError: build_detector('movenet')"
    )
    subprocess.run([sys.executable, "-c", code], env=inherited | folders, check=True)
    assert list(tmp_path.iterdir()) == []


def test_conditioning_does_not_import_torch() -> None:
    modules = "cleaning, detectors, retarget, skeleton, temperature_map"
    code = (
        "import media.poses.pose_file, media.video_reader, sys;"
        f"from tcan_core.conditioning import {modules}; print('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
