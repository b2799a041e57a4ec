"""An S3 that answers late, or not at all: polls stay quick, and no accepted job is lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.settings import Settings
from service.stores.job_store.store import JobStore
from tests import samples
from tests.servers import GUARD_S, S3Server, running, wait_until
from tests.service.gateway import running_gateway
from tests.service.job_driver import lease_end_ms, was_released
from tests.worker.file_lock import locked
from tests.worker.paint import count_frames
from tests.worker.slow_line import SlowLine, slow_line

WORKER = Path(__file__).with_name("paint_worker.py")
LATE_S = 0.4
# More than a gateway's threads for writing, so that some requests wait for one.
REQUESTS = 34

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@dataclass(frozen=True)
class Limits:
    """Time limits of gateway and worker."""

    lease_ms: int = 60_000
    s3_timeout_s: float = GUARD_S


IMPATIENT = Limits(s3_timeout_s=1.0)
# Fetching and storing take longer than the lease if answers are late by LATE_S.
SHORT_LEASE = Limits(lease_ms=2000, s3_timeout_s=1.0)


class Site:
    """A gateway and a worker whose S3 is behind a slow line.

    Attributes:
        hold: file whose lock stops the worker before its next step.
    """

    def __init__(
        self, url: str, line: SlowLine, jobs: JobStore, hold: Path, driving: bytes
    ) -> None:
        self.line, self._jobs, self.hold, self._driving = line, jobs, hold, driving
        self.http = httpx.Client(base_url=url, timeout=GUARD_S)

    def submit(self, key: str, steps: int = 5) -> httpx.Response:
        parts: dict[str, Any] = {
            "image": ("image.png", samples.png()),
            "driving": ("driving.mp4", self._driving),
            "params": (None, f'{{"num_inference_steps": {steps}}}'),
        }
        return self.http.post("/animate", files=parts, headers={"Idempotency-Key": key})

    def submit_until_accepted(self, key: str, steps: int = 5) -> str:
        """Repeat the request while the service is unavailable; return the job's id."""
        while True:
            answer = self.submit(key, steps)
            if answer.status_code != 503:
                assert answer.status_code == 202, answer.text
                return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"])

    def wait_for_success(self, job_id: str) -> None:
        wait_until(lambda: self.status(job_id) == "succeeded", "the job succeeds")
        assert self.job(job_id)["attempts"] == 1

    def is_quick(self, job_id: str) -> bool:
        """Return whether a status read takes less time than one answer of S3."""
        began_s = time.monotonic()
        self.status(job_id)
        return time.monotonic() - began_s < LATE_S

    def lease_end_ms(self, job_id: str) -> float:
        return lease_end_ms(self._jobs, job_id)

    def was_released(self, job_id: str) -> bool:
        return was_released(self._jobs, job_id)


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    settings: Settings,
    jobs: JobStore,
    s3_server: S3Server,
    tmp_path: Path,
) -> Iterator[Site]:
    limits: Limits = request.param
    assert settings.redis_url is not None
    port = urlsplit(s3_server.endpoint_url).port
    assert port is not None
    hold = tmp_path / "hold"
    hold.touch()
    with slow_line(port) as line, ExitStack() as stack:
        url, redis_url = f"http://127.0.0.1:{line.port}", settings.redis_url.get_secret_value()
        far = s3_server.settings(tmp_path / "data").model_dump() | {
            "s3_endpoint_url": url, "s3_timeout_s": limits.s3_timeout_s, "redis_url": redis_url,
        }  # fmt: skip
        environment = {
            "TCAN_DATA": str(tmp_path / "data"),
            "TCAN_REDIS_URL": redis_url,
            "TCAN_S3_BUCKET": s3_server.bucket,
            "TCAN_S3_ENDPOINT_URL": url,
            "TCAN_S3_ACCESS_KEY": s3_server.access_key,
            "TCAN_S3_SECRET_KEY": s3_server.secret_key,
            "TCAN_S3_TIMEOUT_S": str(limits.s3_timeout_s),
            "TCAN_LEASE_MS": str(limits.lease_ms),
            "PAINT_STEP_S": "0.05",
            "PAINT_HOLD": str(hold),
        }
        command = [sys.executable, str(WORKER)]
        stack.enter_context(running(command, tmp_path / "worker.log", environment, 0))
        gateway = stack.enter_context(running_gateway(Settings.model_validate(far)))
        site = Site(gateway, line, jobs, hold, samples.video(tmp_path, frames=7))
        stack.callback(site.http.close)
        wait_until(lambda: site.http.get("/readyz").status_code == 200, "a worker is ready")
        yield site


def with_limits(limits: Limits) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("site", [limits], ids=["site"], indirect=True)


@with_limits(Limits())
def test_slow_s3_delays_jobs_but_not_status_reads(site: Site) -> None:
    with locked(site.hold):
        first = site.submit_until_accepted("first")
        wait_until(lambda: site.status(first) == "running", "the job runs")
        site.line.open.clear()
    with ThreadPoolExecutor(REQUESTS) as pool:
        keys = [f"key-{number}" for number in range(REQUESTS)]
        accepted = [pool.submit(site.submit_until_accepted, key) for key in keys]
        try:
            # Later than the steps are over: what is left is to store the result.
            renewed_ms = site.lease_end_ms(first) + 5000
            wait_until(lambda: site.lease_end_ms(first) > renewed_ms, "the lease is renewed")
            assert {site.status(first) for _ in range(20)} == {"running"}
            assert not any(answer.done() for answer in accepted)
        finally:
            site.line.open.set()
        assert len({answer.result() for answer in accepted}) == REQUESTS
    site.wait_for_success(first)


@pytest.mark.slow
@with_limits(SHORT_LEASE)
def test_status_reads_are_fast_while_s3_is_slow(site: Site) -> None:
    site.line.delay_s = LATE_S
    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = [pool.submit(site.submit, f"key-{number}") for number in range(REQUESTS)]
        first = answers[0].result().json()["id"]
        polls = [site.is_quick(first) for _ in range(20)]
        accepted = [answer.result() for answer in answers]
    assert {answer.status_code for answer in accepted} == {202}
    ids = [answer.json()["id"] for answer in accepted]

    def succeeded() -> str:
        return next((job_id for job_id in ids if site.status(job_id) == "succeeded"), "")

    # Fetching and storing take longer than a lease; the job is still not lost.
    site.wait_for_success(wait_until(succeeded, "the first job succeeds"))
    assert sum(polls) >= 18, polls


@with_limits(IMPATIENT)
def test_silent_s3_rejects_new_jobs_and_keeps_accepted_ones(site: Site, tmp_path: Path) -> None:
    submit_while_s3_is_silent(site, tmp_path)


@pytest.mark.slow
@with_limits(SHORT_LEASE)
def test_status_reads_are_fast_while_s3_is_silent(site: Site, tmp_path: Path) -> None:
    polls = submit_while_s3_is_silent(site, tmp_path)
    assert sum(polls) >= 18, polls


def submit_while_s3_is_silent(site: Site, tmp_path: Path) -> list[bool]:
    """Check that new jobs are refused and the accepted one succeeds later.

    Returns:
        For each status read, whether it was quick.
    """
    with locked(site.hold):
        accepted = site.submit_until_accepted("accepted", steps=30)
        wait_until(lambda: site.status(accepted) == "running", "the job runs")
        site.line.open.clear()
    with ThreadPoolExecutor(REQUESTS) as pool:
        answers = [pool.submit(site.submit, f"key-{number}") for number in range(REQUESTS)]
        polls = [site.is_quick(accepted) for _ in range(20)]
        refused = [answer.result() for answer in answers]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["code"] for answer in refused} == {"unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    wait_until(lambda: site.was_released(accepted), "the job is released")

    site.line.open.set()
    second = site.submit_until_accepted("key-0")
    site.wait_for_success(accepted)
    site.wait_for_success(second)
    result = tmp_path / "result.mp4"
    link = site.http.get(f"/jobs/{accepted}/result", follow_redirects=True)
    result.write_bytes(link.content)
    assert count_frames(result) == 7
    return polls
