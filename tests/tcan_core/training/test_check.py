"""The check before a run, and the check of clip folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.image import read_image, write_png
from tcan_core.config import save_config
from tcan_core.errors import ConfigError, WeightsError
from tcan_core.training.check import check_stage
from tcan_core.training.config import FolderData, PuppetData
from tcan_core.training.folder_check import check_sizes, crop_sheet, find_problems
from tcan_core.training.folder_data import find_clips
from tcan_core.training.validation import ValidationConfig
from tests.tcan_core.training.conftest import TinyRuns
from tests.tcan_core.training.test_folder_data import write_clip

Check = Callable[..., list[str]]


@pytest.fixture
def check(runs: TinyRuns) -> Check:
    def run(**changes: Any) -> list[str]:
        path = runs.root / "mine.yaml"
        save_config(runs.config("stage1", **changes), path)
        lines: list[str] = []
        check_stage("stage1", str(path), False, (), lines.append)
        return lines

    return run


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    for seed, name in enumerate(("one", "two")):
        write_clip(tmp_path / "clips", name, seed, frames=3)
    return tmp_path / "clips"


def test_check_describes_the_run_and_writes_nothing(runs: TinyRuns, check: Check) -> None:
    held_out = ValidationConfig(
        data=PuppetData(2, 3, first_seed=50, size=32, cache=str(runs.cache))
    )
    parts = {path: path.read_bytes() for path in runs.parts.iterdir()}

    lines = dict(line.split(": ", 1) for line in check(validation=held_out, steps=40))

    assert set(lines) == {"validation", "weights", "length", "sizes", "disk", "memory", "time"}
    assert lines["sizes"] == "32x32 (6 clips)"
    assert lines["validation"] == "4 held-out clips, every 1000 steps"
    assert lines["length"] == (
        "steps 0 to 40 of 4 samples (batch_size 4 x accumulation_steps 1 x 1 processes): "
        "160 samples, 26.7 passes over 6 clips"
    )
    assert " per step, the mean of 10, of which " in lines["time"]
    assert " of weights, " in lines["memory"] and "checkpoints" in lines["disk"]
    assert not (runs.root / "stage1").exists()
    assert parts == {path: path.read_bytes() for path in runs.parts.iterdir()}


@pytest.mark.long
def test_check_names_clips_of_validation_that_are_trained_on(runs: TinyRuns, check: Check) -> None:
    held_out = ValidationConfig(data=PuppetData(9, 3, first_seed=4, size=32, cache=str(runs.cache)))

    assert "warning: clips of validation are trained on as well: puppets 4 to 5" in check(
        validation=held_out
    )


def test_check_refuses_what_the_run_would_refuse(check: Check, clips: Path) -> None:
    with pytest.raises(ConfigError, match="size is 30; it must be a multiple of 8"):
        check(data=None, folders=FolderData(str(clips), 30))
    with pytest.raises(ConfigError, match="name is 'a/b'"):
        check(export_preset="a/b")
    with pytest.raises(WeightsError, match="no weights for reference_unet"):
        check(initial_reference=str(clips))


@pytest.mark.long
def test_check_names_the_sizes_and_their_clips(check: Check, clips: Path) -> None:
    for path in (clips / "two").rglob("*.png"):
        write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))
    data = FolderData(str(clips), sizes=((24, 40), (40, 24), (32, 32)))

    described = check(data=None, folders=data, batch_size=1, steps=20)

    assert "sizes: 24x40 (1 clip), 40x24 (1 clip)" in described
    with pytest.raises(ConfigError, match="size is 30; it must be a multiple of 8"):
        check(data=None, folders=FolderData(str(clips), sizes=((32, 30),)))


def test_turned_picture_beside_its_pose_is_refused(check: Check, clips: Path) -> None:
    path = clips / "two" / "images" / "2.png"
    write_png(path, np.ascontiguousarray(np.rot90(read_image(path))))

    with pytest.raises(ConfigError, match="2.png has 56x40 pixels, but its pose .* has 40x56"):
        check(data=None, folders=FolderData(str(clips), 32))


def test_sizes_are_those_of_upright_images(clips: Path) -> None:
    assert check_sizes(FolderData(str(clips), 32)) == 6


def test_every_damaged_file_is_found_with_its_clip(clips: Path, tmp_path: Path) -> None:
    broken = clips / "one" / "dwpose" / "1.png"
    broken.write_bytes(broken.read_bytes()[:-200])

    found = [one for one in find_problems(find_clips(FolderData(str(clips)), 1)) if one]

    assert [(one.clip, "1.png" in one.reason) for one in found] == [("one", True)]
    crop_sheet(
        find_clips(FolderData(str(clips)), 1)[1:], FolderData(str(clips), 64), tmp_path / "s.png"
    )
    sheet = read_image(tmp_path / "s.png")
    assert sheet.shape[0] > 64 and sheet.shape[1] > 4 * 64
