"""Idempotency keys are released soon after an outage of the job store."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis import Redis
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.errors import ErrorCode
from service.contract.params import JobParams
from service.errors import RejectedError
from service.jobs.idempotency import CLAIM_MS
from service.settings import Settings
from service.stores.job_store import commands, idempotency
from service.stores.job_store.store import JobStore, digest
from tests import samples
from tests.servers import GUARD_S, free_port, valkey, wait_until
from tests.service.api.test_api import expect_problem
from tests.service.conftest import ALLOW_LOOPBACK
from tests.service.flaky_proxy import flaky_proxy
from tests.service.stores.job_store.records import INPUTS
from tests.service.web import Web, web_server

KEY = {"Idempotency-Key": "k"}


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
def body(web: Web, tmp_path: Path) -> dict[str, Any]:
    """A request whose driving video `web` holds back."""
    web.blocked_path = "/walk.mp4"
    return {
        "image_url": web.page("/me.png", samples.png()),
        "driving_url": web.page("/walk.mp4", samples.video(tmp_path)),
    }


def gateway(redis_url: str, folder: Path) -> TestClient:
    """Return a gateway on this job store, as a context manager."""
    values = {"data": folder / "data", "redis_url": redis_url, **ALLOW_LOOPBACK}
    return TestClient(create_app(Settings.model_validate(values)))


def only_key(url: str) -> str:
    """Return the only idempotency key in the job store."""
    with Redis.from_url(url, decode_responses=True) as redis:
        [key] = redis.keys("tcan:idempotency:*")
        return str(key)


def test_request_keeps_claim_whose_reply_was_lost(
    redis_url: str, web: Web, body: dict[str, Any], tmp_path: Path
) -> None:
    web.blocked_path = ""
    parts = urlsplit(redis_url)
    assert parts.port is not None
    with flaky_proxy(parts.port) as proxy:
        there = f"redis://127.0.0.1:{urlsplit(proxy.url).port}/0"
        with gateway(there, tmp_path) as client:
            assert client.post("/animate", json=body, headers=KEY).status_code == 202
            proxy.lose_request = digest("claim_idempotency_key").encode()
            made = client.post("/animate", json=body, headers={"Idempotency-Key": "other"})
            assert made.status_code == 202, made.text
            assert proxy.lose_request is None


def test_first_error_is_returned_when_job_store_dies(
    web: Web, body: dict[str, Any], tmp_path: Path
) -> None:
    port, folder = free_port(), tmp_path / "valkey"
    folder.mkdir()
    url = f"redis://127.0.0.1:{port}/0"
    web.page("/walk.mp4", b"no video")

    def ask() -> Any:
        return client.post("/animate", json=body, headers=KEY)

    with ThreadPoolExecutor() as pool, gateway(url, tmp_path) as client:
        with valkey(folder, port, persistent=True) as (_, server):
            future = pool.submit(ask)
            assert web.blocked_request.wait(GUARD_S)
            server.kill()
            server.wait()
            web.release.set()
            expect_problem(future.result(), 422, "invalid_video")
        with valkey(folder, port, persistent=True), Redis.from_url(url) as redis:
            wait_until(lambda: ask().status_code in (409, 422), "valkey has read its log")
            for key in redis.keys("tcan:idempotency:*"):  # none if the claim has expired
                assert int(redis.pttl(key)) in range(-2, CLAIM_MS + 1)
                assert int(redis.pttl(key)) != -1  # for ever
                redis.pexpire(key, 1)
            wait_until(lambda: ask().status_code == 422, "the key is free")


def test_create_is_rejected_after_lost_claim(jobs: JobStore) -> None:
    for owner in ("first", "second"):
        jobs.run(idempotency.claim_key("me", "k", "f", owner, CLAIM_MS))
        if owner == "first":
            jobs.redis.flushall()
    kept: dict[str, Any] = {"caller": "me", "idempotency_key": "k", "keep_key_ms": CLAIM_MS}
    with pytest.raises(RejectedError) as refused:
        jobs.run(commands.create("a", JobParams(), INPUTS, key_owner="first", **kept))
    assert refused.value.code is ErrorCode.IDEMPOTENCY_KEY_IN_USE
    assert jobs.run(commands.read("a")) is None
    jobs.run(commands.create("b", JobParams(), INPUTS, key_owner="second", **kept))
    with pytest.raises(RejectedError):
        jobs.run(commands.create("c", JobParams(), INPUTS, key_owner="second", **kept))


@pytest.mark.slow
def test_claim_executed_late_by_stopped_server_is_released(
    web: Web, body: dict[str, Any], tmp_path: Path
) -> None:
    web.blocked_path = ""
    with valkey(tmp_path) as (url, server), gateway(url, tmp_path) as client:
        assert client.get("/jobs").status_code == 200
        server.send_signal(signal.SIGSTOP)
        expect_problem(client.post("/animate", json=body, headers=KEY), 503, "unavailable")
        server.send_signal(signal.SIGCONT)
        wait_until(
            lambda: client.post("/animate", json=body, headers=KEY).status_code == 202,
            "the same request is accepted",
            CLAIM_MS / 1000 + 2.0,
        )


@pytest.mark.slow
def test_long_request_renews_its_key_claim(
    redis_url: str, web: Web, body: dict[str, Any], tmp_path: Path
) -> None:
    with ThreadPoolExecutor() as pool, gateway(redis_url, tmp_path) as client:
        future = pool.submit(client.post, "/animate", json=body, headers=KEY)
        assert web.blocked_request.wait(GUARD_S)
        with Redis.from_url(redis_url) as redis:
            key, left_ms = only_key(redis_url), CLAIM_MS // 2
            redis.pexpire(key, left_ms)
            wait_until(lambda: int(redis.pttl(key)) > left_ms, "the key is held longer")
        web.release.set()
        assert future.result().status_code == 202
