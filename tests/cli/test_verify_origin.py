"""`tcan verify-origin` on marked, signed, plain and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.main import main
from media.watermark.embed import Watermarker
from tests import samples
from worker.outputs.provenance.credentials import ROOT, development_credentials
from worker.outputs.provenance.signing import Signer


def said_of(
    file: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, dict[str, dict[str, object]]]:
    """Return the exit status and the printed JSON."""
    try:
        main(["verify-origin", str(file), "--json", *options])
        status = 0
    except SystemExit as end:
        status = int(str(end.code or 0))
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.long
def test_origin_of_a_generated_file_is_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = np.full((256, 256, 3), 120, np.uint8)
    plain, marked = tmp_path / "plain.png", tmp_path / "marked.png"
    Image.fromarray(grey).save(plain)
    Image.fromarray(Watermarker(0xABCD)(grey)).save(marked)
    status, said = said_of(plain, capsys)
    assert (status, said["c2pa"]["state"], said["watermark"]["found"]) == (1, "absent", False)
    status, said = said_of(marked, capsys)
    assert (status, said["c2pa"]["state"]) == (0, "absent")
    assert (said["watermark"]["found"], said["watermark"]["payload"]) == (True, "0000abcd")
    Signer(development_credentials(tmp_path / "c2pa"), "1").sign(plain, {"job": "j"})
    status, said = said_of(plain, capsys, "--anchors", str(tmp_path / "c2pa" / ROOT))
    assert (status, said["c2pa"]["state"], said["c2pa"]["trusted"]) == (0, "valid", True)
    assert said["c2pa"]["statement"] == {"job": "j"}


def test_undecodable_file_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "cut.mp4"
    file.write_bytes(samples.video(tmp_path)[:300])
    status, said = said_of(file, capsys)
    assert (status, said["watermark"]["found"]) == (1, False)
    assert "cut.mp4" in str(said["watermark"]["problem"])
