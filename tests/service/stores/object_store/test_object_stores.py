"""The folder store and the S3 store behave the same."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.settings import Settings
from service.stores.object_store.base import (
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
    ObjectStore,
)
from service.stores.object_store.folder import FolderObjects, read_signing_key
from service.stores.object_store.open import open_objects
from tests.servers import GUARD_S, S3Server

CONTENT = bytes(range(256)) * 1000


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Return each store in turn."""
    if request.param == "folder":
        return open_objects(Settings(data=tmp_path / "data"))
    server: S3Server = request.getfixturevalue("s3_server")
    return open_objects(server.settings(tmp_path))


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """Write a file to store."""
    file = tmp_path / "upload"
    file.write_bytes(CONTENT)
    return file


def test_stored_object_can_be_fetched(objects: ObjectStore, upload: Path, tmp_path: Path) -> None:
    objects.put("jobs/a1/result.mp4", upload)
    objects.fetch("jobs/a1/result.mp4", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == CONTENT
    assert objects.exists("jobs/a1/result.mp4")


def test_put_replaces_object(objects: ObjectStore, upload: Path, tmp_path: Path) -> None:
    objects.put("jobs/a2/poster.png", upload)
    second = tmp_path / "second"
    second.write_bytes(b"second")
    objects.put("jobs/a2/poster.png", second)
    objects.fetch("jobs/a2/poster.png", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"second"


def test_put_accepts_bytes(objects: ObjectStore, tmp_path: Path) -> None:
    objects.put("jobs/a3/poster.png", b"bytes")
    objects.fetch("jobs/a3/poster.png", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"bytes"


def test_put_new_accepts_bytes_files_and_copies(
    objects: ObjectStore, upload: Path, tmp_path: Path
) -> None:
    objects.put("uploads/n1/file", b"walk")
    copy = Copy("uploads/n1/file", objects.version("uploads/n1/file").tag)
    new: dict[str, New] = {"jobs/n1/a.png": b"me", "jobs/n1/b.mp4": upload, "jobs/n1/c.json": copy}
    objects.put_new(new)
    contents = {}
    for key in new:
        objects.fetch(key, tmp_path / "fetched")
        contents[key] = (tmp_path / "fetched").read_bytes()
    assert contents == {"jobs/n1/a.png": b"me", "jobs/n1/b.mp4": CONTENT, "jobs/n1/c.json": b"walk"}


def test_copy_of_changed_object_is_refused(objects: ObjectStore, tmp_path: Path) -> None:
    objects.put("uploads/n2/file", b"first")
    seen = objects.version("uploads/n2/file")
    assert seen.size_bytes == 5
    objects.put_new({"jobs/n2/a.png": Copy("uploads/n2/file", seen.tag)})
    objects.put("uploads/n2/file", b"other")
    with pytest.raises(ObjectChangedError, match="n2"):
        objects.put_new({"jobs/n2/b.png": Copy("uploads/n2/file", seen.tag)})
    assert not objects.exists("jobs/n2/b.png")
    objects.fetch("jobs/n2/a.png", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"first"
    objects.delete("uploads/n2")
    assert objects.exists("jobs/n2/a.png")
    with pytest.raises(ObjectChangedError):
        objects.put_new({"jobs/n2/c.png": Copy("uploads/n2/file", seen.tag)})
    with pytest.raises(ObjectMissingError):
        objects.version("uploads/n2/file")


def test_folder_without_hard_links_copies_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    objects = FolderObjects(tmp_path / "objects", lambda: b"key")
    objects.put("uploads/l1/file", b"walk")
    tag = objects.version("uploads/l1/file").tag
    monkeypatch.setattr(os, "link", refuse)
    objects.put_new({"jobs/l1/a.json": Copy("uploads/l1/file", tag)})
    objects.fetch("jobs/l1/a.json", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"walk"
    objects.put("uploads/l1/file", b"run")
    for gone in (False, True):
        if gone:
            objects.delete("uploads/l1")
        with pytest.raises(ObjectChangedError):
            objects.put_new({"jobs/l1/b.json": Copy("uploads/l1/file", tag)})
        assert not objects.exists("jobs/l1/b.json")


def test_missing_object_raises_object_missing_error(objects: ObjectStore, tmp_path: Path) -> None:
    assert not objects.exists("jobs/missing/result.mp4")
    with pytest.raises(ObjectMissingError, match="missing"):
        objects.fetch("jobs/missing/result.mp4", tmp_path / "fetched")


def test_delete_removes_only_the_given_prefix(objects: ObjectStore, tmp_path: Path) -> None:
    for key in ("jobs/b1/result.mp4", "jobs/b1/inputs/image.png", "jobs/b11/result.mp4"):
        file = tmp_path / "file"
        file.write_bytes(b"x")
        objects.put(key, file)
    objects.delete("jobs/b1")
    objects.delete("jobs/b1")
    assert not objects.exists("jobs/b1/result.mp4")
    assert not objects.exists("jobs/b1/inputs/image.png")
    assert objects.exists("jobs/b11/result.mp4")


@pytest.mark.parametrize("key", ["../secret", "jobs/../../x", "/etc/passwd", "jobs", "jobs//x", ""])
def test_key_outside_of_store_is_refused(objects: ObjectStore, key: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissingError):
        objects.fetch(key, tmp_path / "fetched")


def test_s3_link_serves_ranges_and_rejects_changes(s3_server: S3Server, upload: Path) -> None:
    objects = open_objects(s3_server.settings(upload.parent))
    objects.put("jobs/c1/result.mp4", upload)
    link = objects.link("jobs/c1/result.mp4", "walk.mp4")
    whole = httpx.get(link, timeout=GUARD_S)
    part = httpx.get(link, headers={"Range": "bytes=1-3"}, timeout=GUARD_S)
    altered = httpx.get(link.replace("result.mp4", "poster.png"), timeout=GUARD_S)
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["content-type"] == "video/mp4"
    assert "walk.mp4" in whole.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, CONTENT[1:4])
    assert altered.status_code == 403


def test_folder_link_expires_and_rejects_changes(upload: Path, tmp_path: Path) -> None:
    now = [time.time()]
    objects = FolderObjects(tmp_path / "o", lambda: b"secret", link_ttl_s=60, now_s=lambda: now[0])
    objects.put("jobs/c1/result.mp4", upload)
    query = link_query(objects.link("jobs/c1/result.mp4", "walk.mp4"))
    assert objects.open_link("jobs/c1/result.mp4", **query).read_bytes() == CONTENT
    for change in ({"filename": "x.html"}, {"expires": "99999999999"}, {"signature": "00"}):
        with pytest.raises(RejectedError) as altered:
            objects.open_link("jobs/c1/result.mp4", **{**query, **change})
        assert altered.value.code is ErrorCode.INVALID_SIGNATURE
    now[0] += 61
    with pytest.raises(RejectedError):
        objects.open_link("jobs/c1/result.mp4", **query)


def test_signing_key_is_created_once_with_private_mode(tmp_path: Path) -> None:
    file = tmp_path / "data" / "signing.key"
    first = read_signing_key(file)
    assert read_signing_key(file) == first
    assert len(first) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in file.parent.iterdir()] == ["signing.key"]


def link_query(link: str) -> dict[str, str]:
    """Return the query of a link as keyword arguments of `open_link`."""
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
