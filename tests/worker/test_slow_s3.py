"""An S3 that answers late, or not at all: polls stay quick, and no accepted job is lost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.settings import Settings
from tests import samples
from tests.servers import GUARD_S, S3Server, running, wait_until
from tests.service.gateway import running_gateway
from tests.worker.paint import count_frames
from tests.worker.slow_line import SlowLine, slow_line

WORKER = Path(__file__).with_name("paint_worker.py")
LATE_S = 0.4
# Less than fetching and storing take with answers that late; renewed five times as often.
LEASE_MS = 2000
# More than the threads that a gateway keeps for writing, so that some wait for their turn.
CROWD = 34

pytestmark = [pytest.mark.e2e, pytest.mark.long]


class Site:
    """A gateway and a worker whose S3 is behind a slow line."""

    def __init__(self, url: str, line: SlowLine, log: Path, folder: Path) -> None:
        self.line, self._log, self._driving = line, log, samples.video(folder, frames=7)
        self.http = httpx.Client(base_url=url, timeout=GUARD_S)

    def submit(self, steps: int = 5, key: str | None = None) -> httpx.Response:
        parts: dict[str, Any] = {
            "image": ("image.png", samples.png()),
            "driving": ("driving.mp4", self._driving),
            "params": (None, f'{{"num_inference_steps": {steps}}}'),
        }
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.http.post("/animate", files=parts, headers=headers)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/jobs/{job_id}").json()
        return found

    def status(self, job_id: str) -> str:
        return str(self.job(job_id)["status"])

    def first_done(self, ids: list[str]) -> str:
        return next((job_id for job_id in ids if self.status(job_id) == "succeeded"), "")

    def quick(self, job_id: str) -> bool:
        """Return whether a poll is answered sooner than the S3 would answer once."""
        began_s = time.monotonic()
        self.status(job_id)
        return time.monotonic() - began_s < LATE_S

    def given_back(self, job_id: str) -> bool:
        return f"job {job_id}: given back" in self._log.read_text()


@pytest.fixture
def site(settings: Settings, s3_server: S3Server, tmp_path: Path) -> Iterator[Site]:
    assert settings.redis_url is not None
    port = urlsplit(s3_server.endpoint_url).port
    assert port is not None
    with slow_line(port) as line, ExitStack() as stack:
        url, redis_url = f"http://127.0.0.1:{line.port}", settings.redis_url.get_secret_value()
        far = s3_server.settings(tmp_path / "data").model_dump() | {
            "s3_endpoint_url": url, "s3_timeout_s": 1.0, "redis_url": redis_url,
        }  # fmt: skip
        environment = {
            "TCAN_DATA": str(tmp_path / "data"),
            "TCAN_REDIS_URL": redis_url,
            "TCAN_S3_BUCKET": s3_server.bucket,
            "TCAN_S3_ENDPOINT_URL": url,
            "TCAN_S3_ACCESS_KEY": s3_server.access_key,
            "TCAN_S3_SECRET_KEY": s3_server.secret_key,
            "TCAN_S3_TIMEOUT_S": "1",
            "TCAN_LEASE_MS": str(LEASE_MS),
            "PAINT_STEP_S": "0.05",
        }
        log = tmp_path / "worker.log"
        stack.enter_context(running([sys.executable, str(WORKER)], log, environment, 0))
        gateway = stack.enter_context(running_gateway(Settings.model_validate(far)))
        site = Site(gateway, line, log, tmp_path)
        stack.callback(site.http.close)
        wait_until(lambda: site.http.get("/readyz").status_code == 200, "a worker is ready")
        yield site


def test_slow_s3_only_costs_time(site: Site) -> None:
    submit_while_answers_are_late(site)


@pytest.mark.slow
def test_status_reads_are_fast_while_s3_is_slow(site: Site) -> None:
    polls = submit_while_answers_are_late(site)
    assert sum(polls) >= 18, polls


def submit_while_answers_are_late(site: Site) -> list[bool]:
    """Submit many jobs until one is done; return for each poll meanwhile if it was quick."""
    site.line.delay_s = LATE_S
    with ThreadPoolExecutor(CROWD) as crowd:
        answers = [crowd.submit(site.submit) for _ in range(CROWD)]
        first = next(iter(answers)).result()
        polls = [site.quick(first.json()["id"]) for _ in range(20)]
        accepted = [answer.result() for answer in answers]
    assert {answer.status_code for answer in accepted} == {202}
    # Fetching and storing take longer than a lease; the job is still not lost.
    ids = [answer.json()["id"] for answer in accepted]
    done = wait_until(lambda: site.first_done(ids), "the job whose turn it is is done")
    assert site.job(done)["attempts"] == 1
    return polls


def test_silent_s3_rejects_new_jobs_and_keeps_accepted_ones(site: Site, tmp_path: Path) -> None:
    submit_while_s3_is_silent(site, tmp_path)


@pytest.mark.slow
def test_status_reads_are_fast_while_s3_is_silent(site: Site, tmp_path: Path) -> None:
    polls = submit_while_s3_is_silent(site, tmp_path)
    assert sum(polls) >= 18, polls


def submit_while_s3_is_silent(site: Site, tmp_path: Path) -> list[bool]:
    """Check that new jobs are refused; return for each poll meanwhile if it was quick."""
    accepted = site.submit(steps=30).json()["id"]
    wait_until(lambda: site.status(accepted) == "running", "the job runs")
    site.line.open.clear()
    with ThreadPoolExecutor(CROWD) as crowd:
        answers = [crowd.submit(site.submit, key=f"key-{n}") for n in range(CROWD)]
        polls = [site.quick(accepted) for _ in range(20)]
        refused = [answer.result() for answer in answers]
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["code"] for answer in refused} == {"unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    wait_until(lambda: site.given_back(accepted), "the job is given back")

    site.line.open.set()
    second = site.submit(key="key-0")
    assert second.status_code == 202, second.text
    for job_id in (accepted, second.json()["id"]):
        wait_until(lambda: site.status(job_id) == "succeeded", "the job is done")  # noqa: B023
        assert site.job(job_id)["attempts"] == 1
    result = tmp_path / "result.mp4"
    link = site.http.get(f"/jobs/{accepted}/result", follow_redirects=True)
    result.write_bytes(link.content)
    assert count_frames(result) == 7
    return polls
