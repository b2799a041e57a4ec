"""`tcan data check` names files that cannot be trained on."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Tcan
from tests.tcan_core.training.test_folder_data import write_clip


def test_command_names_damaged_files_and_writes_a_sheet(tcan: Tcan, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    for seed, name in enumerate(("one", "two")):
        write_clip(clips, name, seed, frames=3)
    sheet = tmp_path / "check.png"
    assert tcan("data", "check", str(clips), "--sheet", str(sheet)).code == 0
    assert sheet.exists()
    (clips / "two" / "images" / "0.png").write_bytes(b"not an image")

    result = tcan("data", "check", str(clips), "--sheet", str(sheet))

    assert result.code == 1
    assert "two: 0.png: " in result.out
    assert "1 files cannot be trained on; repair or remove them" in result.err
