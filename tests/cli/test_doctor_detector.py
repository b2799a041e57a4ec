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
from tests.cli.conftest import Tcan


def look(tmp_path: Path, **more: Any) -> list[Finding]:
    return list(detector.look(Settings.model_validate({"data": tmp_path, **more})))


def test_the_detector_of_mini_is_loaded(tmp_path: Path) -> None:
    [found] = look(tmp_path)
    assert (found.name, found.level) == ("puppet", Level.OK)


def test_what_a_worker_lacks_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path))
    for module in ("controlnet_aux", "rtmlib"):
        monkeypatch.setitem(sys.modules, module, None)  # as where it is not installed
    [sd15] = look(tmp_path, preset="sd15", detector="openpose")
    assert (sd15.name, sd15.level) == ("openpose", Level.ERROR)
    assert "needs the extra `pose`" in sd15.detail and "do not start" in sd15.detail
    assert "extra pose" in sd15.mend
    [unknown] = look(tmp_path, detector="eyes")
    assert unknown.level is Level.ERROR and "it must be one of" in unknown.detail
    assert "TCAN_DETECTOR" in unknown.mend


def test_terms_that_forbid_commercial_use_are_told() -> None:
    [told] = detector.licences("openpose@cuda")
    assert told.level is Level.WARNING and "non-commercial use only" in told.detail
    assert list(detector.licences("dwpose")) == list(detector.licences("puppet")) == []


def test_the_area_is_one_of_doctors(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TCAN_REDIS_URL", "redis://127.0.0.1:1")
    monkeypatch.setenv("TCAN_DATA", str(tmp_path))
    done = tcan("doctor", "--only", "detector", "--json")
    [found] = json.loads(done.out)["findings"]
    assert (done.code, found["area"], found["level"]) == (0, "detector", "ok")
