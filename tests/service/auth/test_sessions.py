"""Sessions of the studio: a cookie in place of an API key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.auth.key_secrets import id_of
from service.auth.sessions import (
    COOKIE,
    FAILED_SIGN_INS_PER_MINUTE,
    LIFETIME_S,
    SECURE_COOKIE,
    digest,
)
from service.contract.callers import Scope
from service.settings import Settings
from service.stores.job_store import commands, keys, sessions
from service.stores.job_store.sessions import SESSIONS_PER_KEY
from service.stores.job_store.store import JobStore
from service.stores.object_store.gateway_forms import UPLOAD_ROUTE
from tests.servers import GUARD_S, wait_until
from tests.service.api_keys import new_key, secret_in
from tests.service.auth.test_authenticator import FILES
from tests.service.gateway import running_gateway

SESSION = "/studio/session"
HERE = {"Origin": "http://testserver"}
HTTPS = {"Host": "studio.example", "Origin": "https://studio.example"}
ANONYMOUS: dict[str, Any] = {
    "caller": "anonymous",
    "scopes": ["read", "submit"],
    "key_needed": False,
}
STILL_MS = 1_700_000_000_000
NOBODY: dict[str, Any] = {"caller": None, "scopes": [], "key_needed": True}


def sign_in(client: TestClient, text: str, **headers: str) -> Any:
    return client.post(SESSION, json={"key": text}, headers=HERE | headers)


def cookie_of(answer: httpx.Response, name: str) -> str:
    """Return the value of a cookie that an answer sets; clients on http ignore secure ones."""
    return answer.headers["set-cookie"].split(f"{name}=")[1].split(";")[0]


@pytest.fixture
def page(client: TestClient, jobs: JobStore) -> Iterator[TestClient]:
    """Sign in as `ann` and yield the client with its cookie."""
    assert sign_in(client, new_key(jobs, "ann")).status_code == 200
    yield client


def test_session_grants_the_rights_of_its_key(client: TestClient, jobs: JobStore) -> None:
    assert client.get(SESSION).json() == ANONYMOUS
    text = new_key(jobs, "ann", (Scope.READ,))
    wait_until(lambda: client.get("/jobs").status_code == 401, "a key is needed")
    assert client.get(SESSION).json() == NOBODY
    answer = sign_in(client, text)
    expected = {"caller": "ann", "scopes": ["read"], "key_needed": True}
    assert answer.json() == client.get(SESSION).json() == expected
    assert client.get("/usage").json()["caller"] == "ann"
    refused = client.post("/animate", files=FILES, headers=HERE)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "scope 'submit'" in refused.json()["detail"]


def test_cookie_is_for_this_site_and_unreadable_for_scripts(
    client: TestClient, jobs: JobStore
) -> None:
    text = new_key(jobs, "ann")
    plain = sign_in(client, text).headers["set-cookie"]
    flags = {part.strip().lower() for part in plain.split(";")[1:]}
    assert flags == {"httponly", f"max-age={LIFETIME_S}", "path=/", "samesite=strict"}
    secure = sign_in(client, text, **HTTPS).headers["set-cookie"].split(", ")[-1]
    name, *parts = (part.strip().lower() for part in secure.split(";"))
    assert name.startswith("__host-tcan_session=") and set(parts) == flags | {"secure"}


def test_page_on_https_changes_something_by_the_cookie_of_https_only(
    client: TestClient, jobs: JobStore
) -> None:
    text = new_key(jobs, "ann")
    here = sign_in(client, text).cookies[COOKIE]
    secure = cookie_of(sign_in(client, text, **HTTPS, Cookie=""), SECURE_COOKIE)
    client.cookies.clear()
    planted, both = f"{COOKIE}={here}", f"{COOKIE}={here}; {SECURE_COOKIE}={secure}"
    for cookie, headers, status in (
        (f"{SECURE_COOKIE}={secure}", HTTPS, 201),
        (both, HTTPS, 201),
        (planted, HTTPS, 401),
        (planted, HERE, 201),
    ):
        answer = client.post("/uploads", headers=headers | {"Cookie": cookie})
        assert answer.status_code == status, (cookie, headers)
    assert client.get("/jobs", headers={"Cookie": planted}).status_code == 200
    # The cookie of https comes first: one that another page planted does not replace it.
    assert (
        client.get("/jobs", headers={"Cookie": f"{SECURE_COOKIE}=x; {planted}"}).status_code == 401
    )


def test_new_sign_in_ends_the_session_before(page: TestClient, jobs: JobStore) -> None:
    before = {"Cookie": f"{COOKIE}={page.cookies[COOKIE]}"}
    assert sign_in(page, "tcan_x").status_code == 401
    assert page.get("/jobs", headers=before).status_code == 200
    assert sign_in(page, new_key(jobs, "ben")).status_code == 200
    assert page.get("/usage").json()["caller"] == "ben"
    page.cookies.clear()
    assert page.get("/jobs", headers=before).status_code == 401


ORIGINS: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"Origin": "http://testserver"}, True),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": "http://["}, False),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
]


def test_only_pages_of_this_service_change_something_by_a_session(page: TestClient) -> None:
    cookie = {COOKIE: page.cookies[COOKIE]}
    for headers, is_allowed in ORIGINS:
        page.cookies.update(cookie)
        answer = page.post("/uploads", headers=headers)
        assert answer.status_code == (201 if is_allowed else 403), headers
        assert page.get("/jobs", headers=headers).status_code == 200
        signed_in = page.post(SESSION, json={"key": "tcan_x"}, headers=headers)
        assert signed_in.status_code == (401 if is_allowed else 403), headers
        if not is_allowed:
            assert page.delete(SESSION, headers=headers).status_code == 403


def test_no_route_changes_anything_by_a_session_for_another_site(page: TestClient) -> None:
    paths = page.get("/openapi.json").json()["paths"]
    changing = [
        (method, path)
        for path, operations in paths.items()
        for method in operations.keys() & {"post", "put", "patch", "delete"}
        if path != UPLOAD_ROUTE  # by a signed form, without a session
    ]
    assert len(changing) > 10
    for method, path in changing:
        answer = page.request(method, path, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), (method, path)


def test_key_in_a_header_needs_no_origin_and_comes_before_the_session(
    page: TestClient, jobs: JobStore
) -> None:
    ben = {"X-API-Key": new_key(jobs, "ben")}
    assert page.post("/uploads", headers=ben).status_code == 201
    assert page.get("/usage", headers=ben).json()["caller"] == "ben"
    assert page.get("/usage", headers={"X-API-Key": "tcan_x"}).status_code == 401


def test_session_ends_by_signing_out(page: TestClient) -> None:
    cookie = {COOKIE: page.cookies[COOKIE]}
    assert page.delete(SESSION, headers=HERE).status_code == 204
    assert COOKIE not in page.cookies
    page.cookies.update(cookie)
    assert page.get("/jobs").status_code == 401
    assert page.get(SESSION).json() == NOBODY
    assert page.delete(SESSION, headers=HERE).status_code == 204


def test_session_ends_with_its_key(client: TestClient, jobs: JobStore) -> None:
    text = new_key(jobs, "ann")
    sign_in(client, text)
    assert client.get("/jobs").status_code == 200
    jobs.run(keys.revoke_key(id_of(text) or ""))
    wait_until(lambda: client.get("/jobs").status_code == 401, "the session has ended")
    assert sign_in(client, text).status_code == 401


def test_session_expires_and_its_id_is_not_stored(page: TestClient, jobs: JobStore) -> None:
    session_id = page.cookies[COOKIE]
    stored = f"tcan:session:{digest(session_id)}"
    assert 0 < jobs.redis.pttl(stored) <= LIFETIME_S * 1000
    assert not [key for key in jobs.redis.keys() if session_id in key]
    jobs.redis.delete(stored)
    assert page.get("/jobs").status_code == 401


def test_key_has_a_limited_number_of_sessions(page: TestClient, jobs: JobStore) -> None:
    jobs.run(sessions.put_session("other", "another", LIFETIME_S * 1000))
    key_id = jobs.run(sessions.read_session(digest(page.cookies[COOKIE]))) or ""
    for number in range(SESSIONS_PER_KEY - 1):
        jobs.run(sessions.put_session(str(number), key_id, LIFETIME_S * 1000))
    assert page.get("/jobs").status_code == 200
    jobs.run(sessions.put_session("last", key_id, LIFETIME_S * 1000))
    assert page.get("/jobs").status_code == 401
    assert len(jobs.redis.keys("tcan:session:*")) == SESSIONS_PER_KEY + 1
    jobs.run(sessions.end_session("0"))
    jobs.run(sessions.put_session("one more", key_id, LIFETIME_S * 1000))
    assert jobs.run(sessions.read_session("1")) == key_id


def test_session_id_is_no_key(page: TestClient) -> None:
    headers = {"Authorization": f"Bearer {page.cookies[COOKIE]}"}
    assert page.get("/jobs", headers=headers).status_code == 401


def test_unknown_cookie_is_no_hindrance_while_no_key_is_needed(client: TestClient) -> None:
    client.cookies.set(COOKIE, "of an earlier store")
    assert client.get("/jobs").status_code == 200
    assert client.get("/metrics").status_code == 200
    assert client.get(SESSION).json() == ANONYMOUS


def test_metrics_need_an_admin_session(page: TestClient, jobs: JobStore) -> None:
    assert page.get("/metrics").status_code == 403
    sign_in(page, new_key(jobs, "root", (Scope.ADMIN,)))
    assert page.get("/metrics").status_code == 200


def test_sign_in_without_a_key_is_refused(client: TestClient) -> None:
    headers = HERE | {"Content-Type": "application/json"}
    for content, status, code in (
        (b"", 422, "invalid_request"),
        (b"{}", 422, "invalid_request"),
        (b'{"key": 5}', 422, "invalid_request"),
        (b'{"kye": "x"}', 422, "invalid_request"),
        (b'{"key": ""}', 401, "unauthorized"),
        (b'{"key": "tcan_000000000000_x"}', 401, "unauthorized"),
    ):
        answer = client.post(SESSION, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), content
        assert "set-cookie" not in answer.headers


def test_failed_sign_ins_are_limited(folder_settings: Settings, jobs: JobStore) -> None:
    text = new_key(jobs, "ann")
    # A clock that stands still, so that no attempt is over a minute old.
    with TestClient(create_app(folder_settings, lambda: STILL_MS)) as client:
        signed_in = {sign_in(client, text).status_code for _ in range(FAILED_SIGN_INS_PER_MINUTE)}
        failed = {sign_in(client, "tcan_x").status_code for _ in range(FAILED_SIGN_INS_PER_MINUTE)}
        refused = [sign_in(client, attempt) for attempt in (text, "tcan_x")]
    assert (signed_in, failed) == ({200}, {401})
    assert {answer.status_code for answer in refused} == {429}
    assert refused[0].headers["retry-after"] == "60"
    assert "more than 30 failed sign-ins within 60 s" in refused[0].json()["detail"]


def test_failures_of_one_client_do_not_hinder_others(
    folder_settings: Settings, jobs: JobStore
) -> None:
    text = new_key(jobs, "ann")
    http = folder_settings.http.model_copy(update={"trusted_proxies": "10.0.0.0/8"})
    settings = folder_settings.model_copy(update={"http": http})
    for address, failures, status in (
        ("192.0.2.1", FAILED_SIGN_INS_PER_MINUTE, 429),
        ("192.0.2.2", 1, 200),
        ("10.1.2.3", FAILED_SIGN_INS_PER_MINUTE + 1, 200),
    ):
        app = create_app(settings, lambda: STILL_MS)
        with TestClient(app, client=(address, 1)) as client:
            assert {sign_in(client, "tcan_x").status_code for _ in range(failures)} == {401}
            assert sign_in(client, text).status_code == status, address


def test_key_is_in_no_log_and_no_answer(
    client: TestClient, jobs: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    text = new_key(jobs, "ann")
    answers = [
        sign_in(client, text),
        client.post(SESSION, json={"kye": text}, headers=HERE),
        client.post(SESSION, json={"key": [text]}, headers=HERE),
        client.post(SESSION, json={"key": text}),
    ]
    assert not [answer.text for answer in answers if secret_in(text) in answer.text]
    assert secret_in(text) not in caplog.text and client.cookies[COOKIE] not in caplog.text


def test_stream_of_a_session_ends_when_it_does(folder_settings: Settings, jobs: JobStore) -> None:
    with (
        running_gateway(folder_settings) as url,
        httpx.Client(base_url=url, timeout=GUARD_S, headers={"Origin": url}) as page,
    ):
        page.post(SESSION, json={"key": new_key(jobs, "ann")})
        job_id = page.post("/animate", files=FILES).json()["id"]
        with page.stream("GET", f"/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()
            assert {next(lines) for _ in range(4)} >= {"retry: 1000", "id: 1"}
            with httpx.Client(base_url=url, cookies=page.cookies) as other:
                assert other.delete(SESSION, headers={"Origin": url}).status_code == 204
            assert [line for line in lines if line.startswith("id:")] == []
        jobs.run(commands.cancel(job_id))
