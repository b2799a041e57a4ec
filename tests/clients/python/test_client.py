"""The clients against a running gateway; the tests do the workers' part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.contract.params import JobParams as StoredParams
from service.jobs.idempotency import CLAIM_MS
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tcan_client import (
    AsyncClient,
    Client,
    Job,
    JobEndedError,
    JobKind,
    JobOptions,
    JobParams,
    JobState,
    ProblemError,
    ResultFormat,
    Retries,
    UnreachableError,
)
from tests import samples
from tests.service.gateway import running_gateway
from tests.service.web import Web, web_server

PARAMS = JobParams(seed=3, format=ResultFormat.GIF)
OPTIONS = JobOptions(ttl_s=600)


@pytest.fixture
def url(settings: Settings) -> Iterator[str]:
    """A gateway on each object store in turn."""
    with running_gateway(settings) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url) as client:
        yield client


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "image.png"
    file.write_bytes(samples.png())
    return file


@pytest.fixture
def driving(tmp_path: Path) -> Path:
    return samples.write_video(tmp_path / "driving.mp4")


def test_client_submits_reads_and_erases_a_job(client: Client, image: Path, driving: Path) -> None:
    job = client.submit(image, driving, PARAMS, options=OPTIONS)
    assert (job.params.seed, job.params.format, job.options.ttl_s) == (3, "gif", 600)
    assert client.job(job.id).status is JobState.QUEUED
    assert [entry.id for entry in client.jobs(states=(JobState.QUEUED,))] == [job.id]
    assert client.jobs(created_after=job.created_at)[0].id == job.id
    assert client.jobs(created_before=job.created_at) == []
    assert client.poses(driving).kind is JobKind.POSES
    with pytest.raises(ProblemError, match="job_not_ended"):
        client.erase(job.id)
    assert client.cancel(job.id).status is JobState.CANCELED
    client.erase(job.id)
    with pytest.raises(ProblemError, match="job_not_found"):
        client.job(job.id)


def test_client_lists_jobs_over_several_pages(
    client: Client, image: Path, driving: Path, jobs: JobStore
) -> None:
    snapshot = jobs.run(commands.read(client.submit(image, driving).id))
    assert snapshot is not None
    for number in range(250):
        jobs.run(commands.create(f"{number:032x}", StoredParams(), snapshot.record.inputs))
    assert len({job.id for job in client.jobs(240)}) == 240
    assert len(client.jobs(999)) == 251


def test_files_are_uploaded_by_form_when_another_input_is_a_url(
    client: Client, image: Path, driving: Path, web: Web
) -> None:
    elsewhere = web.page("/walk.mp4", driving.read_bytes())
    assert client.submit(image, elsewhere).status is JobState.QUEUED
    assert web.requests == ["/walk.mp4"]


def test_big_files_are_uploaded_by_form(
    url: str, image: Path, driving: Path, jobs: JobStore
) -> None:
    with Client(url, upload_above_bytes=100) as client:
        assert client.submit(image, driving, PARAMS).params.seed == 3
    assert jobs.redis.hlen("tcan:uploads") == 2


def test_same_idempotency_key_creates_one_job(client: Client, image: Path, driving: Path) -> None:
    job_ids = {client.submit(image, driving, PARAMS, idempotency_key="k").id for _ in range(2)}
    assert len(job_ids) == 1
    assert client.submit(image, driving, PARAMS).id not in job_ids


def test_animate_raises_when_the_job_is_canceled(
    client: Client, image: Path, driving: Path, jobs: JobStore
) -> None:
    def cancel(job: Job) -> None:
        client.cancel(job.id)

    with pytest.raises(JobEndedError, match="canceled") as ended:
        client.animate(image, driving, on_update=cancel)
    assert ended.value.job.status is JobState.CANCELED


def test_async_client_supports_the_same_calls(url: str, image: Path, driving: Path) -> None:
    async def use() -> None:
        async with AsyncClient(url) as client:
            job = await client.submit(image, driving, PARAMS, options=OPTIONS)
            assert (await client.job(job.id)).params.seed == 3
            assert [entry.id for entry in await client.jobs()] == [job.id]
            upload = await client.upload(image)
            assert len(upload) == 32
            assert not await client.is_ready()
            with pytest.raises(ProblemError, match="result_not_ready"):
                await client.download(job.id, image.with_name("x.mp4"))
            await client.cancel(job.id)
            assert (await client.wait(job.id)).status is JobState.CANCELED
            await client.erase(job.id)
            assert (await client.poses(driving)).kind is JobKind.POSES

    asyncio.run(use())


def test_client_retries_after_the_time_in_retry_after(web: Web) -> None:
    pauses: list[float] = []
    web.page("/jobs", b"{}", 503, {"Retry-After": "7"})

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            web.page("/jobs", b'{"jobs": []}')

    with Client(web.url, pause=pause) as client:
        assert client.jobs() == []
    assert pauses == [7.0, 7.0]


def test_client_gives_up_after_the_configured_attempts(web: Web) -> None:
    async def ask() -> None:
        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)

        async with AsyncClient(web.url, pause=pause, retries=Retries(tries=3)) as client:
            with pytest.raises(ProblemError, match="HTTP 429"):
                await client.jobs()
        assert pauses == [0.5, 1.0]

    web.page("/jobs", b"", 429)
    asyncio.run(ask())


def test_client_waits_for_a_key_in_use_longer_than_a_crashed_gateway_holds_it(web: Web) -> None:
    pauses: list[float] = []
    said = b'{"code": "idempotency_key_in_use", "detail": "wait"}'
    web.page("/jobs", said, 409, {"Retry-After": "1"})
    with Client(web.url, pause=pauses.append) as client, pytest.raises(ProblemError, match="wait"):
        client.jobs()
    assert pauses[:4] == [1.0, 1.0, 2.0, 4.0]
    assert max(pauses) == 5.0
    assert CLAIM_MS / 1000 + 5.0 < sum(pauses) <= Retries().claimed_s


def test_response_of_another_service_is_reported(web: Web) -> None:
    web.page("/jobs", b"<html>")
    with Client(web.url) as client, pytest.raises(UnreachableError, match="is not tcan"):
        client.jobs()
