"""Two callers with keys: what each may do, and that neither sees the other's jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from service.api.app import create_app
from service.auth.key_secrets import digest, id_of
from service.contract.callers import Scope
from service.contract.job import Output
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import commands, keys
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import GUARD_S, wait_until
from tests.service.api_keys import bearer, new_key, secret_in
from tests.service.gateway import running_gateway

FILES = {"image": ("i", samples.png()), "driving": ("d", samples.poses(3))}
WITH_WEBHOOK = {"options": '{"webhook": {"url": "http://127.0.0.1:9/hook"}}'}


class Holder:
    """A caller, with or without a key."""

    def __init__(self, client: TestClient, text: str | None) -> None:
        self._client = client
        self._headers = {} if text is None else bearer(text)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        headers = {**self._headers, **more.pop("headers", {})}
        return self._client.request(method, path, headers=headers, follow_redirects=False, **more)

    def submit(self, **more: Any) -> Any:
        return self.ask("POST", "/animate", files=FILES, **more)


@pytest.fixture
def service(folder_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(folder_settings), raise_server_exceptions=False) as client:
        yield client


def finished_job(jobs: JobStore, settings: Settings, holder: Holder) -> str:
    """Create a finished job with a result, previews and a webhook."""
    made = holder.submit(data=WITH_WEBHOOK, headers={"Idempotency-Key": "k1"})
    assert made.status_code == 202, made.text
    job_id = str(made.json()["id"])
    token = taken(jobs, job_id, Queue.PREPARE)
    jobs.run(commands.hand_over(job_id, token, Queue.RENDER, "jobs/p", []))
    token = taken(jobs, job_id, Queue.RENDER)
    objects = open_objects(settings)
    outputs = {output: f"jobs/{job_id}/{token}/{output}.bin" for output in Output}
    for key in (*outputs.values(), f"jobs/{job_id}/{token}/previews/1.webp"):
        objects.put(key, b"secret")
    jobs.run(commands.add_preview(job_id, token, f"jobs/{job_id}/{token}/previews/1.webp"))
    jobs.run(commands.succeed(job_id, token, outputs, []))
    return job_id


def taken(jobs: JobStore, job_id: str, queue: Queue) -> int:
    record = jobs.run(commands.claim(job_id, queue, "w", 60_000))
    assert record is not None
    return record.token


OF_A_JOB = [
    ("GET", "/jobs/{id}"),
    ("PATCH", "/jobs/{id}"),
    ("GET", "/jobs/{id}/events"),
    ("GET", "/jobs/{id}/logs"),
    ("POST", "/jobs/{id}/retry"),
    ("GET", "/jobs/{id}/previews/1"),
    ("GET", "/jobs/{id}/deliveries"),
    ("POST", "/jobs/{id}/deliveries/1/redeliver"),
    ("POST", "/jobs/{id}/cancel"),
    ("DELETE", "/jobs/{id}"),
    *(("GET", f"/jobs/{{id}}/{output}") for output in Output),
]


def test_no_route_shows_the_job_of_another_caller(
    service: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    ann, ben = (Holder(service, new_key(jobs, name)) for name in ("ann", "ben"))
    job_id = finished_job(jobs, folder_settings, ann)
    for method, path in OF_A_JOB:
        there, nowhere = (ben.ask(method, path.format(id=name)) for name in (job_id, "0" * 32))
        assert there.status_code == nowhere.status_code == 404, (path, there.text)
        assert there.text.replace(job_id, "0" * 32) == nowhere.text, path
    for method, path in OF_A_JOB[:8] + OF_A_JOB[10:]:
        assert ann.ask(method, path.format(id=job_id)).status_code < 400, path


def test_table_covers_every_route_of_a_job(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    described = {
        (method.upper(), path.replace("{job_id}", "{id}").replace("{n}", "1"))
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/jobs/")
    }
    assert described == set(OF_A_JOB)


def test_lists_idempotency_keys_uploads_and_secrets_are_separate_per_caller(
    service: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    ann, ben = (Holder(service, new_key(jobs, name)) for name in ("ann", "ben"))
    job_id = finished_job(jobs, folder_settings, ann)
    assert [job["id"] for job in ann.ask("GET", "/jobs").json()["jobs"]] == [job_id]
    for query in ("", "?caller=ann", "?status=succeeded"):
        assert ben.ask("GET", f"/jobs{query}").json() == {"jobs": [], "next": None}
    again = ben.submit(data=WITH_WEBHOOK, headers={"Idempotency-Key": "k1"})
    assert (again.status_code, "idempotency-replayed" in again.headers) == (202, False)
    assert again.json()["id"] != job_id
    upload = ann.ask("POST", "/uploads").json()
    service.post(upload["url"], data=upload["fields"], files={"file": ("f", samples.poses(3))})
    theirs, own = (
        each.ask("POST", "/poses", json={"driving_upload": upload["id"]}) for each in (ben, ann)
    )
    assert (theirs.status_code, theirs.json()["code"]) == (404, "upload_not_found")
    assert own.status_code == 202
    first, second = (each.ask("GET", "/webhooks/secret").json()["secrets"] for each in (ann, ben))
    assert first != second


def test_admin_sees_all_jobs_and_filters_by_caller(
    service: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    ann = Holder(service, new_key(jobs, "ann"))
    root = Holder(service, new_key(jobs, "root", (Scope.ADMIN,)))
    ids = [ann.submit().json()["id"], root.submit().json()["id"]]
    listed = root.ask("GET", "/jobs").json()["jobs"]
    assert {(job["id"], job["caller"]) for job in listed} == set(
        zip(ids, ("ann", "root"), strict=True)
    )
    only = root.ask("GET", "/jobs?caller=ann").json()["jobs"]
    assert [job["id"] for job in only] == ids[:1]
    assert root.ask("POST", f"/jobs/{ids[0]}/cancel").json()["status"] == "canceled"
    assert ann.ask("GET", f"/jobs/{ids[0]}").json()["caller"] is None


def test_key_allows_only_its_scopes(service: TestClient, jobs: JobStore) -> None:
    reader = Holder(service, new_key(jobs, "ann", (Scope.READ,)))
    writer = Holder(service, new_key(jobs, "ann", (Scope.SUBMIT,)))
    job_id = writer.submit().json()["id"]
    assert reader.ask("GET", f"/jobs/{job_id}").status_code == 200
    secret = "/webhooks/secret"  # its holder can forge messages to the caller's receivers
    assert Holder(service, new_key(jobs, "ann")).ask("GET", secret).status_code == 200
    refusals = reader.submit(), writer.ask("GET", f"/jobs/{job_id}"), reader.ask("GET", secret)
    for refused in refusals:
        assert "whsec_" not in refused.text
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_anonymous_access_ends_with_the_first_key(service: TestClient, jobs: JobStore) -> None:
    anonymous = Holder(service, None)
    assert anonymous.submit().status_code == 202
    text = new_key(jobs, "ann")
    wait_until(lambda: anonymous.ask("GET", "/jobs").status_code == 401, "a key is needed")
    jobs.run(keys.revoke_key(id_of(text) or ""))
    for wrong in (None, text[:-1] + "x", "tcan_" + "0" * 12 + "_" + "a" * 43, "x", ""):
        answer = Holder(service, wrong).ask("GET", "/jobs")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), wrong
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/healthz", "/docs", "/openapi.json"):
        assert service.get(path).status_code == 200, path
    assert service.get("/readyz").status_code == 503  # no worker; it asks for no key


def test_x_api_key_header_is_accepted_and_links_need_no_key(
    service: TestClient, jobs: JobStore, folder_settings: Settings
) -> None:
    text = new_key(jobs, "ann")
    ann = Holder(service, text)
    job_id = finished_job(jobs, folder_settings, ann)
    answer = service.get(f"/jobs/{job_id}/result", headers={"X-API-Key": text})
    assert answer.content == b"secret"
    link = ann.ask("GET", f"/jobs/{job_id}/result").headers["location"]
    assert service.get(link).content == b"secret"
    assert service.get(link.replace("expires=", "expires=1")).status_code == 403


def test_expired_key_is_refused(service: TestClient, jobs: JobStore) -> None:
    now_ms = round(time.time() * 1000)
    past, future = (new_key(jobs, "ann", expires_ms=now_ms + ms) for ms in (-1, 60_000))
    assert Holder(service, past).ask("GET", "/jobs").status_code == 401
    assert Holder(service, future).ask("GET", "/jobs").status_code == 200


def test_revoked_key_is_refused_by_every_gateway(folder_settings: Settings, jobs: JobStore) -> None:
    revoke_and_ask(folder_settings, jobs)


def test_streams_end_in_every_gateway_when_their_key_is_revoked(
    folder_settings: Settings, jobs: JobStore
) -> None:
    revoke_while_streaming(folder_settings, jobs)


@pytest.mark.slow
def test_revoked_key_is_refused_within_a_second(folder_settings: Settings, jobs: JobStore) -> None:
    assert revoke_and_ask(folder_settings, jobs) < 1.0


@pytest.mark.slow
def test_streams_end_within_a_second_of_the_revocation(
    folder_settings: Settings, jobs: JobStore
) -> None:
    assert revoke_while_streaming(folder_settings, jobs) < 1.0


@pytest.mark.slow
def test_anonymous_requests_are_refused_within_a_second_of_the_first_key(
    service: TestClient, jobs: JobStore
) -> None:
    anonymous = Holder(service, None)
    assert anonymous.ask("GET", "/jobs").status_code == 200
    new_key(jobs, "ann")
    began_s = time.monotonic()
    wait_until(lambda: anonymous.ask("GET", "/jobs").status_code == 401, "a key is needed")
    assert time.monotonic() - began_s < 1.0


def revoke_and_ask(folder_settings: Settings, jobs: JobStore) -> float:
    """Revoke a key that two gateways have cached; return the seconds until both refuse it."""
    text = new_key(jobs, "ann")
    with running_gateway(folder_settings) as one, running_gateway(folder_settings) as two:
        with httpx.Client(headers=bearer(text), timeout=GUARD_S) as http:
            assert [http.get(f"{url}/jobs").status_code for url in (one, two)] == [200, 200]
            jobs.run(keys.revoke_key(id_of(text) or ""))
            began_s, refused = time.monotonic(), set[str]()

            def refused_by_both() -> bool:
                nonlocal refused
                refused |= {u for u in (one, two) if http.get(f"{u}/jobs").status_code == 401}
                return refused == {one, two}

            wait_until(refused_by_both, "both gateways refuse the key")
            took_s = time.monotonic() - began_s
            assert [http.get(f"{url}/jobs").status_code for url in (one, two)] == [401, 401]
            return took_s


def revoke_while_streaming(folder_settings: Settings, jobs: JobStore) -> float:
    """Revoke the key of streams of two gateways; return the seconds until both end."""
    text, other = new_key(jobs, "ann"), new_key(jobs, "ann")
    with running_gateway(folder_settings) as one, running_gateway(folder_settings) as two:
        with httpx.Client(timeout=GUARD_S) as http, ExitStack() as stack:
            headers = bearer(text)
            job_id = http.post(f"{one}/animate", files=FILES, headers=headers).json()["id"]

            def opened(url: str, key: str) -> Iterator[str]:
                path = f"{url}/jobs/{job_id}/events"
                stream = stack.enter_context(http.stream("GET", path, headers=bearer(key)))
                lines = stream.iter_lines()
                assert {next(lines) for _ in range(4)} >= {"retry: 1000", "id: 1"}
                return lines

            streams, stays = [opened(url, text) for url in (one, two)], opened(one, other)
            jobs.run(keys.revoke_key(id_of(text) or ""))
            began_s = time.monotonic()
            for lines in streams:
                assert [line for line in lines if line.startswith("id:")] == []
            took_s = time.monotonic() - began_s
            jobs.run(commands.cancel(job_id))
            assert "id: 2" in list(stays)
            return took_s


def test_anonymous_stream_ends_with_the_first_key(
    folder_settings: Settings, jobs: JobStore
) -> None:
    with (
        running_gateway(folder_settings) as url,
        httpx.Client(base_url=url, timeout=GUARD_S) as http,
    ):
        job_id = http.post("/animate", files=FILES).json()["id"]
        with http.stream("GET", f"/jobs/{job_id}/events") as stream:
            lines = stream.iter_lines()
            assert next(lines) == "retry: 1000"
            new_key(jobs, "ann")
            assert "id: 2" not in list(lines)


def test_metrics_need_the_token_or_an_admin_key(folder_settings: Settings, jobs: JobStore) -> None:
    token = "t" * 32
    settings = folder_settings.model_copy(update={"metrics_token": SecretStr(token)})
    with TestClient(create_app(settings)) as client:
        assert Holder(client, None).ask("GET", "/metrics").status_code == 200
        root, ann = new_key(jobs, "root", (Scope.ADMIN,)), new_key(jobs, "ann")
        wait_until(lambda: Holder(client, None).ask("GET", "/metrics").status_code == 401, "closed")
        for text, status in ((token, 200), (root, 200), (ann, 403), ("t" * 31, 401)):
            assert Holder(client, text).ask("GET", "/metrics").status_code == status, text
    public = folder_settings.model_copy(update={"public_metrics": True})
    with TestClient(create_app(public)) as client:
        assert client.get("/metrics").status_code == 200


def test_store_does_not_contain_key_secrets(jobs: JobStore) -> None:
    text = new_key(jobs, "ann")
    [kept] = jobs.redis.hvals("tcan:keys")
    assert secret_in(text) not in kept and digest(text) in kept


def test_priority_above_the_keys_maximum_is_refused(service: TestClient, jobs: JobStore) -> None:
    ann = Holder(service, new_key(jobs, "ann"))
    boss = Holder(service, new_key(jobs, "boss", highest_priority="high"))
    form = {"options": '{"priority": "high"}'}
    refused = ann.submit(data=form)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert "highest priority, 'normal'" in refused.json()["detail"]
    assert boss.submit(data=form).status_code == 202


def test_anonymous_access_settings(folder_settings: Settings, tmp_path: Path) -> None:
    with (
        running_gateway(folder_settings) as url,
        httpx.Client(base_url=url, timeout=GUARD_S) as http,
    ):
        assert http.get("/jobs").status_code == 200
        for headers in (
            {"Host": "evil.example"},
            {"Host": "[127.0.0.1"},
            {"Host": "[127.0.0.1]"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://["},
        ):
            refused = http.get("/jobs", headers=headers)
            assert (refused.status_code, "tcan keys create" in refused.text) == (401, True)
        assert http.get("/jobs", headers={"Origin": url}).status_code == 200
    never = folder_settings.model_copy(update={"anonymous": "never"})
    with TestClient(create_app(never)) as client:
        assert client.get("/jobs").status_code == 401
