"""The page of the studio and its examples, as files of the package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.api.routes.studio import FOLDER, studio_routes
from service.settings import Settings
from tests.servers import S3Server

SCRIPT = b"const answer = 42; // " + b"x" * 2000


@pytest.fixture
def studio(folder_settings: Settings, tmp_path: Path) -> Iterator[TestClient]:
    """Serve a small page."""
    built = tmp_path / "studio"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<!doctype html><title>TCAN</title>")
    (built / "assets" / "index-1a2b.js").write_bytes(SCRIPT)
    (built / "picture.png").write_bytes(SCRIPT)
    app = create_app(folder_settings)
    app.router.routes[:0] = studio_routes(built)
    with TestClient(app) as client:
        yield client


def test_page_is_served_with_a_strict_policy(studio: TestClient) -> None:
    answer = studio.get("/studio?job=abc&view=history")
    assert (answer.status_code, "<title>TCAN" in answer.text) == (200, True)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    policy = dict(
        part.strip().partition(" ")[::2]
        for part in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy["media-src"] == "'self' blob:" and policy["trusted-types"] == "'none'"
    assert not [part for part in policy.values() if "unsafe" in part or "data:" in part]


def test_results_of_an_s3_store_may_be_loaded(
    tmp_path: Path, s3_server: S3Server, redis_url: str
) -> None:
    stored = s3_server.settings(tmp_path / "data").model_dump()
    settings = Settings.model_validate({**stored, "redis_url": redis_url})
    with TestClient(create_app(settings)) as client:
        policy = client.get("/studio/examples/examples.json").headers["content-security-policy"]
    assert f"media-src 'self' blob: {settings.s3_endpoint_url}" in policy


def test_hashed_assets_are_cached_for_good_and_compressed(studio: TestClient) -> None:
    answer = studio.get("/studio/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip"})
    assert answer.content == SCRIPT
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "Accept-Encoding" in answer.headers["vary"]


def test_files_are_revalidated_by_their_tag_and_media_have_ranges(studio: TestClient) -> None:
    path = "/studio/picture.png"
    tag = studio.get(path).headers["etag"]
    again = studio.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.headers["cache-control"]) == (304, "no-cache")
    part = studio.get(path, headers={"Range": "bytes=0-3", "Accept-Encoding": "gzip"})
    assert (part.status_code, part.content) == (206, SCRIPT[:4])


def test_thousands_of_ranges_are_answered_with_the_whole_file(client: TestClient) -> None:
    path = "/studio/examples/dance.mp4"
    ranges = ",".join(f"{start}-{start}" for start in range(0, 10_000, 2))
    answer = client.get(path, headers={"Range": f"bytes={ranges}"})
    assert (answer.status_code, answer.content) == (200, client.get(path).content)


def test_other_paths_are_not_found(studio: TestClient) -> None:
    strange = ("%00", "a" * 5000, "%ff", "assets%5c..%5c..", "/etc/passwd", "index.html/x")
    outside = ("..%2f__init__.py", "%2e%2e/settings.py", "assets/../../x")
    for path in ("nothing", "assets", *outside, *strange):
        answer = studio.get(f"/studio/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_only_get_is_allowed_and_a_slash_leads_to_the_page(studio: TestClient) -> None:
    refused = studio.post("/studio")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    answer = studio.get("/studio/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "../studio")


def test_every_example_is_served(client: TestClient) -> None:
    listed = client.get("/studio/examples/examples.json").json()
    assert (len(listed["pictures"]), len(listed["videos"])) == (3, 2)
    for entry in listed["pictures"] + listed["videos"]:
        answer = client.get(f"/studio/examples/{entry['file']}")
        kind = "image/png" if entry["file"].endswith(".png") else "video/mp4"
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
        assert len(answer.content) < 200_000
    assert {file.name for file in (FOLDER / "examples").iterdir()} == {
        "examples.json", *(entry["file"] for entry in listed["pictures"] + listed["videos"])
    }  # fmt: skip
