"""Limits of callers: requests per minute over several gateways, jobs, bytes, seconds."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple, Protocol

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.callers import WINDOW_S, CallerLimits
from service.settings import Settings
from service.stores.job_store import commands, uploads
from service.stores.job_store.store import JobStore
from service.stores.job_store.uploads import Upload
from tests import samples
from tests.servers import GUARD_S
from tests.service.api_keys import bearer, new_key
from tests.service.gateway import running_gateway

START_MS = 1_800_000_000_000
FILES = {"image": ("i", samples.png()), "driving": ("d", samples.poses(25))}


class Answer(Protocol):
    """The common part of the test client's and httpx's responses."""

    @property
    def status_code(self) -> int: ...

    @property
    def headers(self) -> Any: ...

    def json(self) -> Any: ...


class RateHeaders(NamedTuple):
    """The rate limit headers of a response."""

    passed: bool
    remaining: int
    more_in_s: int


def rate_headers(answer: Answer, most: int) -> RateHeaders:
    """Parse the headers of draft-ietf-httpapi-ratelimit-headers-10."""
    assert answer.headers["ratelimit-policy"] == f'"requests";q={most};w={WINDOW_S}'
    match = re.fullmatch(r'"requests";r=(\d+);t=(\d+)', answer.headers["ratelimit"])
    assert match is not None
    passed = answer.status_code != 429
    if not passed:
        assert answer.json()["code"] == "rate_limited"
        assert answer.headers["retry-after"] == match[2]
    return RateHeaders(passed, int(match[1]), int(match[2]))


class Clock:
    """A clock of the gateways' scripts."""

    def __init__(self) -> None:
        self.now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def two(folder_settings: Settings, clock: Clock) -> Iterator[tuple[TestClient, TestClient]]:
    """Two gateways of one service, with the test's clock."""
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(TestClient(create_app(folder_settings, clock))) for _ in range(2)
        )
        yield one, other


def test_two_gateways_share_one_rate_limit(
    two: tuple[TestClient, TestClient], clock: Clock, jobs: JobStore
) -> None:
    """Send twice the allowed requests for three minutes; every window of 60 s keeps the limit."""
    most, passed_ms = 40, list[int]()
    key = bearer(new_key(jobs, "ann", limits={"requests_per_minute": most}))
    for tick in range(3 * WINDOW_S):
        clock.now_ms = START_MS + 1000 * tick
        for number in range(2 if tick % 3 else 1):
            if rate_headers(two[number].get("/jobs?limit=1", headers=key), most).passed:
                passed_ms.append(clock.now_ms)
    for began_ms in range(START_MS, START_MS + 120_000, 1000):
        assert sum(began_ms <= ms < began_ms + 60_000 for ms in passed_ms) <= most
    assert len(passed_ms) == 3 * most


def test_rate_limit_headers_are_exact(
    two: tuple[TestClient, TestClient], clock: Clock, jobs: JobStore
) -> None:
    most = 5
    key = bearer(new_key(jobs, "ann", limits={"requests_per_minute": most}))
    for remaining in range(most - 1, -1, -1):
        headers = rate_headers(two[remaining % 2].get("/jobs", headers=key), most)
        assert headers == RateHeaders(True, remaining, WINDOW_S - (most - 1 - remaining))
        clock.now_ms += 1000
    refused = rate_headers(two[0].get("/jobs", headers=key), most)
    assert refused == RateHeaders(False, 0, WINDOW_S - most)
    clock.now_ms += 1000 * refused.more_in_s - 1
    assert not rate_headers(two[1].get("/jobs", headers=key), most).passed
    clock.now_ms += 1
    assert rate_headers(two[0].get("/jobs", headers=key), most) == RateHeaders(True, 0, 1)


def test_rate_limits_of_callers_are_independent(
    two: tuple[TestClient, TestClient], jobs: JobStore
) -> None:
    ann = bearer(new_key(jobs, "ann", limits={"requests_per_minute": 1}))
    ben = bearer(new_key(jobs, "ben", limits={"requests_per_minute": 1}))
    free = bearer(new_key(jobs, "free"))
    assert [two[0].get("/jobs", headers=key).status_code for key in (ann, ann, ben)] == [
        200,
        429,
        200,
    ]
    assert "ratelimit" not in two[0].get("/jobs", headers=free).headers


@pytest.mark.long
def test_concurrent_burst_stays_within_the_rate_limit(
    folder_settings: Settings, clock: Clock, jobs: JobStore
) -> None:
    most = 50
    key = bearer(new_key(jobs, "ann", limits={"requests_per_minute": most}))
    with (
        running_gateway(folder_settings, clock) as one,
        running_gateway(folder_settings, clock) as other,
    ):
        with httpx.Client(headers=key, timeout=GUARD_S) as http, ThreadPoolExecutor(8) as pool:
            urls = [f"{(one, other)[number % 2]}/jobs?limit=1" for number in range(100)]
            statuses = list(pool.map(lambda url: http.get(url).status_code, urls))
    assert statuses.count(200) == most and statuses.count(429) == 50


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_rate_limit_over_three_windows_of_real_time(
    folder_settings: Settings, jobs: JobStore
) -> None:
    """Print the requests that two gateways accept per minute at full load."""
    most, windows = 600, 3
    key = bearer(new_key(jobs, "ann", limits={"requests_per_minute": most}))
    with running_gateway(folder_settings) as one, running_gateway(folder_settings) as other:
        began_s = time.monotonic()
        end_s = began_s + windows * WINDOW_S

        def ask(url: str) -> tuple[list[float], int]:
            passed, requests = [], 0
            with httpx.Client(headers=key, timeout=GUARD_S) as http:
                while (now_s := time.monotonic()) < end_s:
                    requests += 1
                    if rate_headers(http.get(f"{url}/jobs?limit=1"), most).passed:
                        passed.append(now_s - began_s)
            return passed, requests

        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(ask, (one, other, one, other)))
    times = sorted(time_s for passed, _ in results for time_s in passed)
    per_window = [sum(n * 60 <= each < (n + 1) * 60 for each in times) for n in range(windows)]
    print(f"sent {sum(requests for _, requests in results)}, passed per minute {per_window}")
    assert all(abs(count - most) <= 0.02 * most for count in per_window)


def submit(client: TestClient, key: dict[str, str], driving: bytes | None = None) -> Any:
    """Submit an image and a pose file of 25 frames, which is one second."""
    files = FILES if driving is None else {**FILES, "driving": ("d", driving)}
    return client.post("/animate", files=files, headers=key)


def test_queued_jobs_are_limited(
    client: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    key = bearer(new_key(jobs, "ann", limits={"queued_jobs": 2}))
    made = [submit(client, key).json()["id"] for _ in range(2)]
    refused = submit(client, key)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert (
        refused.json()["detail"]
        == "queued_jobs: 2 jobs are queued, the limit is 2; wait or cancel one"
    )
    assert refused.headers["retry-after"] == "5"
    jobs.run(commands.cancel(made[0]))
    assert submit(client, key).status_code == 202


def test_bytes_and_seconds_per_day_are_limited(
    two: tuple[TestClient, TestClient], clock: Clock, jobs: JobStore, folder_settings: Settings
) -> None:
    client = two[0]
    key = bearer(new_key(jobs, "ann", limits={"driving_s_per_day": 3}))
    assert [submit(client, key).status_code for _ in range(4)] == [202, 202, 202, 429]
    refused = submit(client, key)
    day_s = 24 * 3600
    assert refused.headers["retry-after"] == str(day_s - clock.now_ms // 1000 % day_s)
    clock.now_ms += 1000 * int(refused.headers["retry-after"])
    assert submit(client, key).status_code == 202
    size = len(FILES["image"][1]) + len(FILES["driving"][1])
    other = bearer(new_key(jobs, "ben", limits={"input_bytes_per_day": 2 * size + 1}))
    statuses = [submit(client, other).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]
    assert "input_bytes_per_day" in submit(client, other).json()["detail"]


def test_uploads_count_until_their_job_counts_instead(
    two: tuple[TestClient, TestClient], clock: Clock, jobs: JobStore
) -> None:
    client, content = two[0], samples.poses(25)
    key = bearer(new_key(jobs, "ann", limits={"input_bytes_per_day": 3 * len(content)}))

    def form(max_bytes: int) -> Any:
        return client.post("/uploads", json={"max_bytes": max_bytes}, headers=key)

    assert form(3 * len(content) + 1).status_code == 429
    made = form(2 * len(content)).json()
    refused = form(len(content) + 1)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    day_s = 24 * 3600
    assert refused.headers["retry-after"] == str(day_s - clock.now_ms // 1000 % day_s)
    client.post(made["url"], data=made["fields"], files={"file": ("f", content)})
    body = {"driving_upload": made["id"]}
    statuses = [client.post("/poses", json=body, headers=key).status_code for _ in range(4)]
    assert statuses == [202, 202, 202, 429]
    assert jobs.redis.hgetall("tcan:uploads:counted") == {}
    clock.now_ms += 1000 * day_s
    yesterdays = form(3 * len(content)).json()
    clock.now_ms += 1000 * day_s
    assert form(3 * len(content)).status_code == 201
    assert yesterdays["max_bytes"] == 3 * len(content)
    free = bearer(new_key(jobs, "free"))
    assert client.post("/uploads", headers=free).status_code == 201


def test_upload_forms_do_not_block_their_own_job(
    client: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    most = folder_settings.limits.max_driving_bytes
    key = bearer(new_key(jobs, "ann", limits={"input_bytes_per_day": 2 * most}))
    forms = {name: client.post("/uploads", headers=key).json() for name in FILES}
    for name, form in forms.items():
        sent = client.post(form["url"], data=form["fields"], files={"file": FILES[name]})
        assert (form["max_bytes"], sent.status_code) == (most, 204)
    assert client.post("/uploads", json={"max_bytes": 1}, headers=key).status_code == 429
    # Bytes without a form exceed the quota before they are read.
    assert submit(client, key, b"never read").json()["code"] == "quota_exceeded"
    body = {f"{name}_upload": form["id"] for name, form in forms.items()}
    assert client.post("/animate", json=body, headers=key).status_code == 202


def test_form_without_a_size_is_limited_to_the_daily_quota(
    client: TestClient, jobs: JobStore
) -> None:
    key = bearer(new_key(jobs, "ann", limits={"input_bytes_per_day": 1000}))
    made = client.post("/uploads", headers=key)
    assert (made.status_code, made.json()["max_bytes"]) == (201, 1000)


def test_form_registered_twice_counts_once(jobs: JobStore) -> None:
    """The gateway repeats a command whose reply was lost."""
    limits = CallerLimits(input_bytes_per_day=1000)
    note = uploads.register_upload(Upload(id="u", caller="ann", max_bytes=600), 60_000, limits)
    assert [jobs.run(note) for _ in range(2)] == ["ok", "ok"]
    more = Upload(id="v", caller="ann", max_bytes=400)
    jobs.run(uploads.register_upload(more, 60_000, limits))


def test_job_over_the_quota_leaves_no_files(
    client: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    key = bearer(new_key(jobs, "ann", limits={"driving_s_per_day": 2}))
    assert submit(client, key, samples.poses(100)).status_code == 429
    files = [path for path in folder_settings.objects_folder.rglob("*") if path.is_file()]
    assert files == [] and list(folder_settings.spool_folder.iterdir()) == []
    assert jobs.redis.keys("tcan:job:*") == []


def test_replayed_request_uses_no_quota(client: TestClient, jobs: JobStore) -> None:
    key = bearer(new_key(jobs, "ann", limits={"queued_jobs": 1})) | {"Idempotency-Key": "k"}
    first, again = submit(client, key), submit(client, key)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
