"""`tcan doctor` builds the detector that workers of the queue prepare need."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.checkup import detector
from cli.checkup.finding import Finding, Level
from service.settings import Settings
from tcan_core.conditioning.dwpose_detector import JOINTS_FILE, PEOPLE_FILE
from tests.cli.conftest import Tcan


def findings(tmp_path: Path, **more: Any) -> list[Finding]:
    return list(detector.check(Settings.model_validate({"data": tmp_path, **more})))


def test_detector_of_mini_is_ok(tmp_path: Path) -> None:
    [finding] = findings(tmp_path)
    assert (finding.name, finding.level) == ("puppet", Level.OK)


@pytest.mark.parametrize(
    ("kind", "extra"),
    [("openpose", "pose"), ("dwpose", "dwpose"), ("movenet@cuda", "movenet")],
)
def test_missing_library_is_reported_with_the_fix(
    kind: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    for module in ("controlnet_aux", "onnxruntime", "rtmlib"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    [lacking] = findings(tmp_path, preset="sd15", detector=kind)
    assert (lacking.name, lacking.level) == (kind, Level.ERROR)
    assert f"needs the extra `{extra}`" in lacking.detail and "do not start" in lacking.detail
    assert f"'tcan[{extra}]'" in lacking.fix and "another TCAN_DETECTOR" in lacking.fix


def test_unknown_detector_is_reported(tmp_path: Path) -> None:
    [unknown] = findings(tmp_path, detector="eyes")
    assert unknown.level is Level.ERROR and "it must be one of" in unknown.detail
    assert "TCAN_DETECTOR" in unknown.fix


def test_device_without_its_library_is_reported_with_the_library(tmp_path: Path) -> None:
    [finding] = findings(tmp_path, detector="dwpose@cuda")  # the tests have onnxruntime's CPU build
    assert finding.level is Level.ERROR and "CPUExecutionProvider" in finding.detail
    assert "onnxruntime-gpu" in finding.fix and "dwpose@cpu" in finding.fix


def test_damaged_detector_file_is_reported_in_json(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    monkeypatch.setenv("TCAN_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("TCAN_DETECTOR", "dwpose")
    monkeypatch.setenv("TCAN_DATA", str(tmp_path))
    (tmp_path / "dwpose").mkdir()
    for name in (PEOPLE_FILE, JOINTS_FILE):
        (tmp_path / "dwpose" / name).write_bytes(b"half of a file")
    done = tcan("doctor", "--only", "detector", "--json")
    finding = json.loads(done.out)["findings"][0]
    assert (done.code, finding["level"]) == (1, "error")
    assert finding["mend"].startswith("tcan models pull dwpose; ")
    assert "sha256 is" in finding["detail"]


def test_non_commercial_licence_is_reported() -> None:
    [finding] = detector.check_licences("openpose@cuda")
    assert finding.level is Level.WARNING and "non-commercial use only" in finding.detail
    assert list(detector.check_licences("dwpose")) == list(detector.check_licences("puppet")) == []


def test_doctor_checks_the_detector(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("TCAN_DATA", str(tmp_path))
    done = tcan("doctor", "--only", "detector", "--json")
    [finding] = json.loads(done.out)["findings"]
    assert (done.code, finding["area"], finding["level"]) == (0, "detector", "ok")
