"""On a full or read-only disk new jobs are rejected; accepted ones wait and resume later."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from media.video_writer import VideoWriter
from service.contract.errors import ErrorCode
from service.contract.queues import Queue
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store.store import JobStore
from tcan_core.errors import MediaError
from tests import samples
from tests.servers import GUARD_S, free_port, running, wait_until
from tests.service.job_driver import expire_lease, reclaim_expired, was_released
from tests.worker.conftest import Desk
from tests.worker.disk import Disk, small_disk
from tests.worker.file_lock import locked
from tests.worker.paint import PaintAnimator, count_frames
from worker.disk import can_write, is_disk_error

WORKER = Path(__file__).with_name("paint_worker.py")
BIG = samples.png(512, 512)  # more than stays in memory on its way in
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder) as disk:
        yield disk


class Site:
    """A gateway and a worker as processes, with their data on the disk.

    Attributes:
        hold: file whose lock stops the worker before its next step.
    """

    def __init__(self, url: str, processes: list[subprocess.Popen[bytes]], hold: Path) -> None:
        self.processes, self.hold = processes, hold
        self.http = httpx.Client(base_url=url, timeout=GUARD_S)

    def ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def submit(self, folder: Path, image: bytes, steps: int, key: str) -> httpx.Response:
        parts: dict[str, Any] = {
            "image": ("image.png", image),
            "driving": ("driving.mp4", samples.video(folder, frames=7)),
            "params": (None, f'{{"num_inference_steps": {steps}}}'),
        }
        return self.http.post("/animate", files=parts, headers={"Idempotency-Key": key})

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.http.get(f"/jobs/{job_id}").json()
        return job


@pytest.fixture
def site(settings: Settings, redis_url: str, disk: Disk, tmp_path: Path) -> Iterator[Site]:
    assert settings.redis_url is not None
    port, hold = free_port(), tmp_path / "hold"
    hold.touch()
    environment = {
        "TCAN_DATA": str(disk.folder / "data"),
        "TCAN_REDIS_URL": settings.redis_url.get_secret_value(),
        "TCAN_LEASE_MS": "60000",
        "PAINT_STEP_S": "0.05",
        "PAINT_HOLD": str(hold),
    }
    gateway = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", str(port)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(running(command, file, environment, 0))
            for command, file in (
                (gateway, tmp_path / "gateway.log"),
                ([sys.executable, str(WORKER)], tmp_path / "worker.log"),
            )
        ]
        site = Site(f"http://127.0.0.1:{port}", processes, hold)
        stack.callback(site.http.close)
        wait_until(site.ready, "the service is ready")
        yield site


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_no_accepted_job_is_lost(
    how: str, site: Site, jobs: JobStore, disk: Disk, tmp_path: Path
) -> None:
    with locked(site.hold):
        accepted = site.submit(tmp_path, samples.png(), 30, "first").json()["id"]
        wait_until(lambda: site.job(accepted)["status"] == "running", "the job runs")
        disk.refuse(how, site.processes)

    for image in (samples.png(), BIG):
        refused = site.submit(tmp_path, image, 5, "second")
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable"), refused.text
        assert int(refused.headers["retry-after"]) > 0
    wait_until(lambda: was_released(jobs, accepted), "the job is released")
    assert site.job(accepted)["status"] in ("queued", "running")
    assert site.http.get("/healthz").status_code == 200

    disk.serve()
    second = site.submit(tmp_path, BIG, 5, "second")
    assert second.status_code == 202, second.text
    for job_id in (accepted, second.json()["id"]):
        wait_until(lambda: site.job(job_id)["status"] == "succeeded", "the job is done")  # noqa: B023
        assert site.job(job_id)["attempts"] == 1
        result = tmp_path / "result.mp4"
        result.write_bytes(site.http.get(f"/jobs/{job_id}/result", follow_redirects=True).content)
        assert count_frames(result) == 7


@contextmanager
def files_up_to(size_bytes: int) -> Iterator[None]:
    """Limit the size of files that this process writes until the `with` block ends."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_disk_error_is_detected_behind_an_error_of_the_core(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    with files_up_to(4096):
        with (
            pytest.raises(MediaError) as failed,
            VideoWriter(tmp_path / "x.mp4", 12, (64, 64)) as writer,
        ):
            for frame in noise:
                writer.write(frame)
        assert not can_write(tmp_path)
    assert is_disk_error(failed.value)
    assert can_write(tmp_path)
    assert not is_disk_error(MediaError("x.mp4: the video is damaged"))


def test_job_that_fills_the_disk_fails_after_its_attempts(desk: Desk, jobs: JobStore) -> None:
    def fill(step: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    job_id, runner = desk.submit(), desk.with_animator(PaintAnimator(on_step=fill))
    record = desk.finish(job_id, runner)
    assert (record.state, record.attempts) == (JobState.RUNNING, 1)
    expire_lease(jobs, job_id)
    assert reclaim_expired(jobs) == [(job_id, Queue.RENDER)]
    runner.run(Queue.RENDER, job_id)
    failed = desk.record(job_id)
    assert failed.error is not None
    assert (failed.state, failed.error.code) == (JobState.FAILED, ErrorCode.INTERNAL)
