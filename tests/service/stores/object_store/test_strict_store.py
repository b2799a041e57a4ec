"""S3 servers other than Amazon's: without checksums, without upload forms, over TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.job import Output
from service.contract.queues import Queue
from service.errors import UnavailableError
from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import GUARD_S, S3Server
from tests.service.api.routes.test_submit import upload
from tests.service.job_driver import OUTPUTS, JobDriver
from tests.service.stores.object_store.strict_store import Refusal, StrictStore, strict_store


@pytest.fixture
def store(s3_server: S3Server, tmp_path: Path) -> Iterator[StrictStore]:
    with strict_store(s3_server, tmp_path) as store:
        yield store


@pytest.fixture
def settings(store: StrictStore, redis_url: str, tmp_path: Path) -> Settings:
    base = store.settings(tmp_path / "data").model_dump()
    return Settings.model_validate({**base, "redis_url": redis_url})


def test_objects_are_stored_without_checksums(
    store: StrictStore, settings: Settings, tmp_path: Path
) -> None:
    objects, big = open_objects(settings), bytes(9 * 2**20)
    (tmp_path / "big").write_bytes(big)
    objects.put("jobs/t1/small.png", b"small")
    objects.put("jobs/t1/big.mp4", tmp_path / "big")  # in parts
    objects.fetch("jobs/t1/big.mp4", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == big
    assert fetch(store, objects.link("jobs/t1/small.png", "small.png")) == b"small"
    assert store.refused == []


def fetch(store: StrictStore, link: str) -> bytes:
    """Return the object of a signed link."""
    context = ssl.create_default_context(cafile=store.ca)
    return httpx.get(link, verify=context, timeout=GUARD_S).content


def test_unknown_issuer_of_the_certificate_is_an_error(
    store: StrictStore, settings: Settings
) -> None:
    objects = open_objects(settings.model_copy(update={"s3_ca": None}))
    with pytest.raises(UnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
        objects.check()


def test_upload_goes_through_the_gateway_if_the_store_has_no_forms(
    store: StrictStore, settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    with TestClient(create_app(settings)) as client:
        image_id, stored = upload(client, samples.png())
        video_id, stored_too = upload(client, samples.video(tmp_path))
        assert (stored.status_code, stored_too.status_code) == (204, 204), stored.text
        job = client.post("/animate", json={"image_upload": image_id, "driving_upload": video_id})
        driver = JobDriver(jobs, job.json()["id"])
        driver.take(Queue.PREPARE)
        driver.hand_over()
        driver.take(Queue.RENDER)
        open_objects(settings).put(OUTPUTS[Output.RESULT], b"result")
        driver.succeed()
        link = client.get(f"/jobs/{driver.id}/result", follow_redirects=False).headers["location"]
        too_big = upload(client, b"12", max_bytes=1)[1]
        empty = upload(client, b"")[1]
    assert job.status_code == 202, job.text
    assert fetch(store, link) == b"result"
    assert (too_big.status_code, empty.status_code) == (413, 422)
    assert store.refused == ["form"]  # once: the gateway remembers it


def test_only_a_real_answer_to_the_probe_is_remembered(
    store: StrictStore, s3_server: S3Server, tmp_path: Path
) -> None:
    """The gateway accepts uploads itself meanwhile."""
    store.accepts_forms = True
    store.refusal = Refusal(503, "SlowDown")
    objects = open_objects(store.settings(tmp_path))
    assert objects.form("uploads/t2/file", 10, 60) is None
    store.refusal = None
    form = objects.form("uploads/t2/file", 10, 60)
    assert form is not None and form.url.startswith(store.server.endpoint_url)
    assert list(open_objects(s3_server.settings(tmp_path)).folders("probes")) == []
    silent = store.settings(tmp_path).model_copy(update={"s3_endpoint_url": "https://localhost:1"})
    assert open_objects(silent).form("uploads/t2/file", 10, 60) is None
