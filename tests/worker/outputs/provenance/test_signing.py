"""Signed files hold their manifest, and a fresh process of C2PA's own reader says so."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media.digest import file_sha256
from service.contract.job import Output
from service.contract.queues import Queue
from service.errors import SettingsError
from service.settings import Settings
from tests import samples
from tests.worker.conftest import Desk
from worker.outputs.provenance.credentials import (
    CHAIN,
    KEY,
    ROOT,
    development_credentials,
    operator_credentials,
)
from worker.outputs.provenance.finish import Provenance, open_provenance
from worker.outputs.provenance.reading import read_manifest
from worker.outputs.provenance.signing import TYPES, Signer

READ = """
import json, sys, c2pa
with open(sys.argv[1], "rb") as stream:
    print(c2pa.Reader(sys.argv[2], stream).json())
"""
STATEMENT = {"job": "j1", "inputs_sha256": {"image": "ab"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with development credentials."""
    place = tmp_path_factory.mktemp("credentials") / "c2pa"
    development_credentials(place)
    return place


@pytest.fixture(scope="module")
def signer(folder: Path) -> Signer:
    return Signer(development_credentials(folder), "1.2.3")


def made(folder: Path, suffix: str) -> Path:
    """Write a small result file with this suffix."""
    file = folder / f"result{suffix}"
    frames = [Image.new("RGB", (64, 64), (80 * index, 0, 0)) for index in range(3)]
    match suffix:
        case ".mp4":
            samples.write_video(file)
        case ".gif":
            frames[0].save(file, save_all=True, append_images=frames[1:])
        case ".png":
            frames[0].save(file)
        case ".zip":
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("00000.png", samples.png())
    return file


@pytest.mark.parametrize("suffix", TYPES)
def test_a_signed_file_validates_in_a_fresh_process(
    signer: Signer, tmp_path: Path, suffix: str
) -> None:
    file = made(tmp_path, suffix)
    assert signer.sign(file, STATEMENT)
    said = read_elsewhere(file)
    assert said["validation_state"] == "Valid"
    manifest = said["manifests"][said["active_manifest"]]
    data = {entry["label"]: entry["data"] for entry in manifest["assertions"]}
    (created,) = data["c2pa.actions.v2"]["actions"]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert created["softwareAgent"] == {"name": "tcan", "version": "1.2.3"}
    assert data["org.tcan.generation"] == STATEMENT
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def read_elsewhere(file: Path) -> dict[str, Any]:
    """Return the report of C2PA's reader in a process without this project's code."""
    process = subprocess.run(
        [sys.executable, "-c", READ, str(file), TYPES[file.suffix]],
        capture_output=True,
        text=True,
        check=True,
    )
    report: dict[str, Any] = json.loads(process.stdout)
    return report


def test_changed_and_unsigned_files_are_reported(signer: Signer, tmp_path: Path) -> None:
    file = made(tmp_path, ".mp4")
    assert read_manifest(file).state == "absent"
    signer.sign(file, STATEMENT)
    content = bytearray(file.read_bytes())
    content[content.index(b"mdat") + 40] ^= 1
    file.write_bytes(content)
    changed = read_manifest(file)
    assert changed.state == "invalid"
    assert "assertion.bmffHash.mismatch" in changed.problems


def test_signer_is_trusted_with_its_issuers_anchor(
    signer: Signer, folder: Path, tmp_path: Path
) -> None:
    file = made(tmp_path, ".png")
    signer.sign(file, STATEMENT)
    manifest = read_manifest(file, (folder / ROOT).read_text())
    assert (manifest.state, manifest.trusted, manifest.generated) == ("valid", True, True)
    assert (manifest.tool, manifest.signer) == ("tcan 1.2.3", "TCAN (development)")
    assert (read_manifest(file).state, read_manifest(file).trusted) == ("valid", False)


def test_webm_is_unsigned_and_the_poster_holds_its_digest(signer: Signer, tmp_path: Path) -> None:
    result, poster = tmp_path / "result.webm", made(tmp_path, ".png")
    result.write_bytes(b"frames")
    done = Provenance(False, signer).sign({Output.RESULT: result, Output.POSTER: poster}, STATEMENT)
    assert done == {"result": "no place in webm", "poster": "embedded"}
    assert result.read_bytes() == b"frames"
    assert read_manifest(poster).statement["beside"] == {"result": file_sha256(result)}


def test_development_key_is_private_and_kept(folder: Path) -> None:
    assert stat.S_IMODE((folder / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    again = development_credentials(folder)
    assert again == operator_credentials(folder / CHAIN, folder / KEY)
    assert "PRIVATE" not in repr(again)


def test_unusable_credentials_are_rejected(folder: Path, tmp_path: Path) -> None:
    development_credentials(tmp_path / "others")
    with pytest.raises(SettingsError, match="does not belong to the certificate"):
        operator_credentials(folder / CHAIN, tmp_path / "others" / KEY)
    with pytest.raises(SettingsError, match="cannot be read"):
        operator_credentials(folder / CHAIN, tmp_path / "absent")
    with pytest.raises(SettingsError, match="must be set together"):
        open_provenance(Settings(data=tmp_path, c2pa_cert=folder / CHAIN))


def test_prepare_worker_neither_reads_nor_makes_a_key(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    settings = Settings(data=tmp_path / "data", c2pa_cert=absent, c2pa_key=absent)
    assert open_provenance(settings, [Queue.PREPARE]) == Provenance()
    open_provenance(Settings(data=tmp_path / "data"), [Queue.PREPARE])
    assert not settings.c2pa_folder.exists()
    with pytest.raises(SettingsError, match="cannot be read"):
        open_provenance(settings, [Queue.RENDER])


def test_results_are_signed_and_watermarked(desk: Desk, settings: Settings, tmp_path: Path) -> None:
    runner = desk.with_provenance(open_provenance(settings))
    record = desk.finish(desk.submit(frames=3), runner)
    manifest = json.loads(desk.output(record, Output.MANIFEST, tmp_path).read_text())
    assert manifest["provenance"]["c2pa"] == {"result": "embedded"}
    assert len(manifest["provenance"]["watermark"]) == 8
    signed = read_manifest(desk.output(record, Output.RESULT, tmp_path))
    assert (signed.state, signed.generated) == ("valid", True)
    assert signed.statement["inputs_sha256"] == manifest["inputs"]["sha256"]
    off = open_provenance(settings.model_copy(update={"c2pa": False, "watermark": False}))
    assert off == Provenance()
