"""Readiness names every part that is missing."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.api.routes import health
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import presence
from service.stores.job_store.store import JobStore
from tests.servers import S3Server
from tests.service.api.test_api import expect_problem
from tests.service.stores.object_store.strict_store import Refusal, strict_store

STORE = "the object store cannot be used"


def with_worker(jobs: JobStore) -> None:
    info = WorkerInfo(id="w", queues=tuple(Queue), preset="mini", ready=True)
    jobs.run(presence.heartbeat(info, 60_000))


def test_readiness_requires_the_object_store(
    s3_server: S3Server, jobs: JobStore, redis_url: str, tmp_path: Path
) -> None:
    with_worker(jobs)
    with strict_store(s3_server, tmp_path) as store:
        values = {**store.settings(tmp_path / "data").model_dump(), "redis_url": redis_url}
        with TestClient(create_app(Settings.model_validate(values))) as client:
            assert client.get("/readyz").status_code == 200
            store.refusal = Refusal(403, "AccessDenied")
            expect_problem(client.get("/readyz"), 503, "unavailable", STORE)
            assert client.get("/healthz").status_code == 200
            store.refusal = None
            assert client.get("/readyz").status_code == 200


def test_silent_store_makes_the_service_unready_in_time(
    jobs: JobStore,
    redis_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with_worker(jobs)
    monkeypatch.setattr(health, "STORE_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts and never answers
        server = S3Server(f"http://127.0.0.1:{silent.getsockname()[1]}", "tcan", "key", "secret")
        values = {**server.settings(tmp_path / "data").model_dump(), "redis_url": redis_url}
        settings = Settings.model_validate({**values, "s3_timeout_s": 0.3})
        with TestClient(create_app(settings)) as client, caplog.at_level(logging.WARNING):
            for _ in range(2):  # the second while the first still waits for the store
                expect_problem(client.get("/readyz"), 503, "unavailable", STORE)
    assert "does not answer within 0.1 s" in caplog.text


def test_every_missing_part_is_named(unused_url: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "objects").write_text("not a folder that can be written")
    (tmp_path / "data" / "objects").chmod(0o600)
    settings = Settings.model_validate({"data": tmp_path / "data", "redis_url": unused_url})
    with TestClient(create_app(settings)) as client:
        missing = client.get("/readyz")
    expect_problem(missing, 503, "unavailable", f"Redis does not answer; {STORE}")
