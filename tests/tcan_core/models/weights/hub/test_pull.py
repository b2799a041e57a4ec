"""Pulls from a local hub server: revisions, digests, broken transfers, mirrors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.hub.pull import pull_files
from tcan_core.models.weights.store import LOCK_NAME, read_lock
from tests.tcan_core.hub_server import Hub, hub_server

CONTENT = bytes(range(256)) * 400
CHUNK = constants.DOWNLOAD_CHUNK_SIZE  # bytes of one write of the client
LONG = bytes(range(256)) * (2 * CHUNK // 256 + 8)
FIRST, SECOND = "1" * 40, "2" * 40
FILE = HubFile("someone/something", "unet/weights.safetensors")
NAME = "unet.safetensors"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_server() as hub:
        monkeypatch.setenv("TCAN_HUB_ENDPOINT", hub.url)
        hub.put(FILE.repo, FILE.file, CONTENT, FIRST)
        yield hub


def file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_first_pull_locks_revision_and_digest(hub: Hub, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int | None]] = []

    paths = pull_files({NAME: FILE}, tmp_path, lambda *progress: reports.append(progress))

    assert paths == {NAME: tmp_path / NAME}
    assert paths[NAME].read_bytes() == CONTENT
    lock_entry = read_lock(tmp_path)[NAME]
    assert lock_entry.revision == FIRST
    assert lock_entry.sha256 == lock_entry.source_sha256 == file_sha256(paths[NAME])
    assert lock_entry.origin == "someone/something/unet/weights.safetensors"
    assert reports[-1] == (NAME, len(CONTENT), len(CONTENT))
    assert file_names(tmp_path) == {NAME, LOCK_NAME}


def test_later_pulls_use_the_locked_revision(hub: Hub, tmp_path: Path) -> None:
    pull_files({NAME: FILE}, tmp_path)
    hub.put(FILE.repo, FILE.file, b"something newer", SECOND)
    (tmp_path / NAME).unlink()

    pull_files({NAME: FILE}, tmp_path)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [revision for _, revision, _ in hub.requests] == ["main", FIRST]


def test_an_existing_file_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    pull_files({NAME: FILE}, tmp_path)
    pull_files({NAME: FILE}, tmp_path)

    assert len(hub.requests) == 1


def test_a_pinned_revision_is_requested(hub: Hub, tmp_path: Path) -> None:
    hub.put(FILE.repo, FILE.file, b"something newer", SECOND)

    pull_files({NAME: replace(FILE, revision=FIRST)}, tmp_path)

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert read_lock(tmp_path)[NAME].revision == FIRST


@pytest.mark.long
def test_an_interrupted_download_resumes_within_a_pull(hub: Hub, tmp_path: Path) -> None:
    hub.put(FILE.repo, FILE.file, LONG, FIRST)
    hub.cut_after = CHUNK + 1000

    pull_files({NAME: FILE}, tmp_path)

    assert (tmp_path / NAME).read_bytes() == LONG
    assert hub.ranges == ["", f"bytes={CHUNK}-"]


def test_the_next_pull_resumes_an_interrupted_download(hub: Hub, tmp_path: Path) -> None:
    hub.put(FILE.repo, FILE.file, LONG, FIRST)
    hub.cut_after, hub.down_for = CHUNK + 1000, 1

    with pytest.raises(WeightsError, match="the hub answered with HTTP status 500"):
        pull_files({NAME: FILE}, tmp_path)
    assert not (tmp_path / NAME).exists()
    pull_files({NAME: FILE}, tmp_path)

    assert (tmp_path / NAME).read_bytes() == LONG
    assert hub.ranges == ["", f"bytes={CHUNK}-", f"bytes={CHUNK}-"]
    assert file_names(tmp_path) == {NAME, LOCK_NAME}


def test_a_wrong_digest_is_rejected_before_the_download(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="sha256 must be 0{64}, but the hub reports"):
        pull_files({NAME: replace(FILE, sha256="0" * 64)}, tmp_path)

    assert file_names(tmp_path) == set()
    assert hub.requests == []


def test_a_corrupted_download_is_discarded(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = True

    with pytest.raises(WeightsError, match="must be the hub's .*; the file was discarded"):
        pull_files({NAME: FILE}, tmp_path)

    assert file_names(tmp_path) == set()


def test_a_file_that_differs_from_the_first_pull_is_discarded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    (mirror / FILE.repo / "unet").mkdir(parents=True)
    (mirror / FILE.repo / FILE.file).write_bytes(b"something else")
    store = tmp_path / "store"
    pinned = pull_files({NAME: FILE}, store)[NAME]
    pinned.unlink()
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", str(mirror))

    with pytest.raises(WeightsError, match="must be the first pull's .*; the file was discarded"):
        pull_files({NAME: FILE}, store)

    assert file_names(store) == {LOCK_NAME}


def test_a_local_folder_can_serve_as_a_hub_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "mirror" / FILE.repo / FILE.file
    source.parent.mkdir(parents=True)
    source.write_bytes(CONTENT)
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", f"file://{tmp_path / 'mirror'}")
    digest = file_sha256(source)

    pull_files({NAME: replace(FILE, sha256=digest)}, tmp_path / "store")

    assert (tmp_path / "store" / NAME).read_bytes() == CONTENT
    with pytest.raises(WeightsError, match=r"not in the mirror .*; expected .*other\.safetensors"):
        pull_files({NAME: replace(FILE, file="other.safetensors")}, tmp_path / "store")


def test_errors_of_the_hub_are_mapped(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        WeightsError, match="other.bin: repository, revision or file does not exist"
    ):
        pull_files({NAME: replace(FILE, file="other.bin")}, tmp_path)
    monkeypatch.setenv("TCAN_HUB_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(
        WeightsError, match=r"the download was interrupted \(ConnectError.*run the command"
    ):
        pull_files({NAME: FILE}, tmp_path)
    assert file_names(tmp_path) == set()


def test_the_error_for_a_damaged_lock_says_what_to_do(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text('{"files": []}')
    with pytest.raises(WeightsError, match="not a lock file .*; remove it to pin the files again"):
        pull_files({NAME: FILE}, tmp_path)
