"""Texts of refusals: which input or field is wrong, which value, and what to do."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests import samples
from tests.service.web import web_server

UPLOAD = "0" * 32
FORM: list[tuple[str, bytes, str, list[str]]] = [
    ("image", b"c.png", "invalid_image", ["image:", "'c.png'", "use -F image=@c.png"]),
    ("driving", b"d.mp4\n", "invalid_video", ["driving:", "use -F driving=@d.mp4"]),
    ("image", b"https://a/c.png", "invalid_image", ["image:", "send a URL as image_url"]),
    ("image", b"", "invalid_image", ["image:", "empty"]),
    ("img", b"x", "invalid_request", ["unknown part 'img'", "did you mean 'image'?"]),
    ("seed", b"7", "invalid_request", ["field of params: -F 'params={\"seed\": ...}'"]),
    ("ttl_s", b"600", "invalid_request", ["field of options: -F 'options={\"ttl_s\": ...}'"]),
    ("params", b"seed=7", "invalid_params", ["params:", "not valid JSON", "got 'seed=7'"]),
    ("params", b'{"sed": 7}', "invalid_params", ["sed: there is no such field", "mean 'seed'?"]),
    ("params", b'{"seed": "7"}', "invalid_params", ["seed: must be a whole number, got '7'"]),
    ("params", b'{"seed": -1}', "invalid_params", ["seed: must be at least 0, got -1"]),
    ("params", b'{"format": "avi"}', "invalid_params", ["format: must be 'mp4'", "got 'avi'"]),
    ("params", b'{"retarget": "no"}', "invalid_params", ["retarget: must be true or false"]),
    ("options", b'{"webhook": "http://a"}', "invalid_params", ["webhook: must be a JSON object"]),
    ("options", b'{"webhook": {"url": "ftp://a"}}', "invalid_params", ["webhook.url: must be an"]),
    (
        "options",
        b'{"webhook": {"url": "http://10.0.0.1/"}}',
        "url_refused",
        ["options.webhook.url: 10.0.0.1:", "TCAN_OUTBOUND_ALLOW"],
    ),
]
JSON: list[tuple[dict[str, Any], str, list[str]]] = [
    ({"image_url": "ftp://a/c.png"}, "invalid_params", ["image_url: must be an http", "'ftp://"]),
    ({"image_url": "http://["}, "url_refused", ["image: not a valid URL"]),
    ({"image_url": "http://10.0.0.1/"}, "url_refused", ["image: 10.0.0.1:"]),
    ({"image_url": "http://a/b", "image_upload": UPLOAD}, "invalid_params", ["image is given twi"]),
    ({"image_upload": "abc"}, "invalid_params", ["image_upload: must be the id of an upload"]),
    ({"image_upload": UPLOAD}, "upload_not_found", ["image: there is no upload"]),
    ({"image_upload": UPLOAD, "seed": 7}, "invalid_params", ["did you mean 'params.seed'?"]),
    ({"imge_url": "http://a/b"}, "invalid_params", ["imge_url:", "did you mean 'image_url'?"]),
    ({"image_upload": UPLOAD, "params": {"sed": 1}}, "invalid_params", ["params.sed:", "'seed'?"]),
]
READS = [
    ("/jobs?limit=201", "query.limit: must be at most 200, got '201'"),
    ("/jobs?limit=x", "query.limit: must be a whole number, got 'x'"),
    ("/jobs?status=done", "must be 'queued'"),
    ("/jobs?cursor=x", "query.cursor: must be the cursor in `next`"),
    ("/jobs?caller=A%20B", "query.caller: must be a caller's name"),
    ("/jobs?created_after=2026-01-01T00:00:00", "needs a time zone"),
]


def expect(answer: Any, code: str, texts: list[str]) -> None:
    """Assert that the problem has this code and these texts."""
    problem = answer.json()
    assert problem["code"] == code, problem
    assert [text for text in texts if text not in problem["detail"]] == [], problem


def test_problem_of_a_form_names_the_part_and_the_remedy(client: TestClient) -> None:
    files = {"image": (None, samples.png()), "driving": (None, samples.poses(4))}
    for name, content, code, texts in FORM:
        expect(client.post("/animate", files={**files, name: (None, content)}), code, texts)
    missing = client.post("/animate", files={"image": files["image"]})
    expect(missing, "invalid_request", ["driving is missing: give either driving_url"])


def test_problem_of_a_json_body_names_the_input_and_the_remedy(client: TestClient) -> None:
    with web_server() as web:
        driving = web.page("/walk.json", samples.poses(4))
        for body, code, texts in JSON:
            answer = client.post("/animate", json={"driving_url": driving, **body})
            expect(answer, code, texts)
        page = web.page("/page", b"<html>", headers={"Content-Type": "text/html"})
        answer = client.post("/animate", json={"driving_url": driving, "image_url": page})
        expect(answer, "url_failed", ["image:", "text/html"])
        answer = client.post("/animate", json={"driving_url": driving})
        expect(answer, "invalid_params", ["image is missing", "image_url or image_upload"])


def test_problem_of_a_wrong_content_type_names_the_right_ones(client: TestClient) -> None:
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        headers = {} if content_type is None else {"Content-Type": content_type}
        answer = client.post("/animate", content=b"image=c.png", headers=headers)
        texts = ["multipart/form-data", "application/json", f"got {content_type or 'none'}"]
        expect(answer, "unsupported_media_type", texts)


def test_problems_of_parameters_headers_paths_and_methods_say_what_is_allowed(
    client: TestClient,
) -> None:
    for path, text in READS:
        expect(client.get(path), "invalid_request", [text])
    files = {"image": samples.png(), "driving": samples.poses(4)}
    job = client.post("/animate", files=files).json()["id"]
    for last in ("abc", "-1", ""):
        events = client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": last})
        texts = ["last-event-id: must be the `id` of an event", repr(last)]
        expect(events, "invalid_request", texts)
    expect(client.post("/aniamte"), "not_found", ["POST /aniamte", "did you mean '/animate'?"])
    expect(client.put(f"/jobs/{job}"), "method_not_allowed", ["allows DELETE, GET"])


def test_upload_over_the_services_limit_is_refused(client: TestClient) -> None:
    answer = client.post("/uploads", json={"max_bytes": 10**13})
    assert answer.status_code == 422
    expect(answer, "invalid_request", ["max_bytes: 10,000,000,000,000 is over", "1,073,741,824"])
