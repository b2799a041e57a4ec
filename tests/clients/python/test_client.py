"""The clients against a running gateway; the tests do the workers' part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

import tcan_client
from service.contract.params import JobParams as StoredParams
from service.jobs.idempotency import CLAIM_MS
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tcan_client import (
    AsyncClient,
    Client,
    ClientError,
    Job,
    JobEndedError,
    JobKind,
    JobOptions,
    JobParams,
    JobState,
    ProblemError,
    ResultFormat,
    Retries,
    Trim,
    UnreachableError,
    WaitTimeoutError,
)
from tests import samples
from tests.service.gateway import running_gateway
from tests.service.tls_proxy import certificate, tls_proxy
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
    assert client.poses(driving, {"person": 0}).kind is JobKind.POSES
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


def test_files_urls_and_uploads_may_be_mixed(
    client: Client, image: Path, driving: Path, web: Web
) -> None:
    elsewhere = web.page("/walk.mp4", driving.read_bytes())
    pose = client.upload(samples.poses(1))
    job = client.submit(image, elsewhere, JobParams(trim=Trim(end_s=0.3)), image_pose=pose)
    assert web.requests == ["/walk.mp4"]
    assert job.params.trim == Trim(start_s=0.0, end_s=0.3)


def test_client_sends_pose_part_and_metadata_and_lists_by_it(
    client: Client, image: Path, driving: Path
) -> None:
    params, metadata = JobParams(trim=Trim(end_s=0.2)), {"shot": "12"}
    options = JobOptions(metadata=metadata)
    pose = samples.poses(1)
    job = client.submit(image, driving, params, image_pose=pose, options=options)
    assert (job.params.trim, job.options.metadata) == (Trim(start_s=0, end_s=0.2), metadata)
    assert [entry.id for entry in client.jobs(metadata=metadata)] == [job.id]
    assert client.jobs(metadata={"shot": "13"}) == []
    with pytest.raises(ProblemError, match="image_pose: 2 people"):
        client.submit(image, driving, image_pose=samples.poses(1, people=2))


def test_big_files_are_uploaded_by_form(
    url: str, image: Path, driving: Path, jobs: JobStore
) -> None:
    with Client(url, upload_above_bytes=100) as client:
        assert client.submit(image, driving, PARAMS).params.seed == 3
    assert jobs.redis.hlen("tcan:uploads") == 2


@pytest.mark.parametrize("settings", ["folder"], indirect=True)
def test_inputs_may_be_paths_content_and_uploads(
    client: Client, image: Path, driving: Path, jobs: JobStore
) -> None:
    with open(image, "rb") as stream:
        for source in (str(image), image, image.read_bytes(), stream):
            assert client.submit(source, driving).status is JobState.QUEUED
    assert jobs.redis.hlen("tcan:uploads") == 0
    walk = client.upload(driving)
    for _ in range(2):
        assert client.submit(image, walk, {"seed": 5}).params.seed == 5
    with pytest.raises(TypeError, match="got the upload"):
        client.upload(walk)


@pytest.mark.parametrize("settings", ["folder"], indirect=True)
def test_refusal_carries_what_the_service_says(client: Client, image: Path) -> None:
    with pytest.raises(ProblemError, match="seed") as refused:
        client.submit(image, image, {"seed": -1, "sede": 2})
    error = refused.value
    assert (error.status, error.code, error.retry_after_s) == (422, "invalid_params", None)
    assert {entry.field.split(".")[-1] for entry in error.errors} == {"seed", "sede"}
    assert error.problem["title"] == "The parameters are invalid"
    assert error.request_id


@pytest.mark.parametrize("settings", ["folder"], indirect=True)
def test_wait_ends_with_its_timeout_and_the_job_goes_on(
    client: Client, image: Path, driving: Path
) -> None:
    with pytest.raises(WaitTimeoutError, match="not ended within 0 s; it continues") as late:
        client.animate(image, driving, timeout=0)
    assert client.job(late.value.job_id).status is JobState.QUEUED


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
        async with AsyncClient(url, pause=lambda seconds: asyncio.sleep(0)) as client:
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


def test_final_error_carries_the_time_in_retry_after(web: Web) -> None:
    web.page("/jobs", b"{}", 429, {"Retry-After": "7", "X-Request-Id": "a1"})
    with Client(web.url, retries=Retries(tries=1)) as client, pytest.raises(ProblemError) as busy:
        client.jobs()
    assert (busy.value.retry_after_s, busy.value.request_id) == (7.0, "a1")


def test_url_and_key_come_from_the_environment(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.page("/jobs", b'{"jobs": []}')
    monkeypatch.setenv("TCAN_URL", web.url)
    monkeypatch.setenv("TCAN_API_KEY", "secret\n")
    with Client() as client:
        assert client.jobs() == []
    with Client("http://127.0.0.1:1", api_key="", retries=Retries(tries=1)) as other:
        with pytest.raises(UnreachableError, match="127.0.0.1:1"):
            other.jobs()
    assert web.keys == ["Bearer secret"]


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://a.example", "http://", "http://a:b"])
def test_invalid_url_is_named_with_what_to_do(url: str) -> None:
    with pytest.raises(ClientError, match="is not the URL of a service; set TCAN_URL") as wrong:
        Client(url)
    assert repr(url) in str(wrong.value)


def test_key_that_no_header_carries_is_refused() -> None:
    with pytest.raises(ClientError, match="copy the key"):
        Client(api_key="k\u00e9y")


@pytest.mark.parametrize("wrong", ["", "../models", "a/b", "a?b", "\u00e9"])
def test_text_that_cannot_be_an_id_is_refused(wrong: str) -> None:
    with Client("http://127.0.0.1:1") as client:
        for call in (client.job, client.cancel, client.retry, client.manifest, client.wait):
            with pytest.raises(ClientError, match="cannot be an id; give one that") as refused:
                call(wrong)
            assert repr(wrong) in str(refused.value)
        with pytest.raises(ClientError, match="lists in /uploads"):
            client.delete_upload(wrong)


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "\u00e9", "x" * 256])
def test_invalid_idempotency_key_is_refused(key: str) -> None:
    with Client("http://127.0.0.1:1") as client:
        with pytest.raises(ClientError, match="1 to 255 visible ASCII characters"):
            client.submit(b"image", b"driving", idempotency_key=key)


def test_every_public_name_is_there() -> None:
    assert [name for name in tcan_client.__all__ if not hasattr(tcan_client, name)] == []


def test_redirect_that_drops_the_key_is_named(web: Web) -> None:
    with web_server("127.0.0.2") as other:
        other.page("/jobs", b"{}", 401)
        web.page("/jobs", b"", 301, {"Location": f"{other.url}/jobs"})
        with Client(web.url, api_key="secret") as client:
            with pytest.raises(UnreachableError, match=f"redirects to {other.url}/jobs; use"):
                client.jobs()
        assert other.keys == [None]


def test_next_page_is_read_from_the_url_of_the_client(web: Web) -> None:
    web.page("/jobs", b'{"jobs": [], "next": "https://public.example/jobs?limit=50&cursor=c"}')
    web.page("/jobs?limit=50&cursor=c", b'{"jobs": []}')
    with Client(web.url) as client:
        assert client.jobs() == []
    assert web.requests == ["/jobs?limit=50", "/jobs?limit=50&cursor=c"]


def test_download_that_fails_leaves_no_file(web: Web, tmp_path: Path) -> None:
    web.page("/jobs/a/result", b"{}", 404)
    with Client(web.url) as client, pytest.raises(ProblemError, match="HTTP 404"):
        client.download("a", tmp_path / "x.mp4")
    web.page("/jobs/a/result", b"half", headers={"Content-Length": "8"})
    with Client(web.url, pause=lambda seconds: None) as client, pytest.raises(UnreachableError):
        client.download("a", tmp_path / "x.mp4")
    assert list(tmp_path.iterdir()) == []


def test_result_that_cannot_be_written_is_refused_before_anything_is_sent(
    web: Web, tmp_path: Path
) -> None:
    with Client(web.url) as client:
        with pytest.raises(FileNotFoundError, match="missing"):
            client.animate(b"image", b"video", tmp_path / "missing" / "x.mp4")
        with pytest.raises(IsADirectoryError):
            client.animate(b"image", b"video", tmp_path)
    assert web.requests == []


def test_errors_of_tls_are_words(web: Web, tmp_path: Path) -> None:
    port = web.url.rpartition(":")[2]
    chain, key = certificate(tmp_path, "127.0.0.1")
    with tls_proxy(int(port), chain, key) as tls_port:
        for url, says in (
            (f"https://127.0.0.1:{port}", "speaks no TLS there, use http://"),
            (f"https://127.0.0.1:{tls_port}", "certificate is not valid .self-signed certificate"),
        ):
            client = Client(url, retries=Retries(tries=1))
            with client, pytest.raises(UnreachableError, match=says) as failed:
                client.jobs()
            assert "SSL" not in str(failed.value)


def test_response_of_another_service_is_reported(web: Web) -> None:
    web.page("/jobs", b"<html>")
    with (
        Client(web.url) as client,
        pytest.raises(UnreachableError, match="is not tcan, or an older one: Invalid JSON"),
    ):
        client.jobs()
