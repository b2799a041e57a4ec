"""Gateway and workers as processes of their own: the whole way of a job, and workers that die."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from tests import samples
from tests.servers import GUARD_S, running, wait_until
from tests.service.job_driver import expire_lease
from tests.service.served import read_events
from tests.worker.paint import black_video, count_frames
from worker.runtime.shutdown import EXIT_S

# A job of this many steps ends the process that takes it.
POISON_STEPS = 13
# A job of 200 such steps outlasts all that tests do while it is at work.
LONG_STEP_S = 0.5
WORKER = Path(__file__).with_name("paint_worker.py")
Start = Callable[..., subprocess.Popen[bytes]]

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def start_worker(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts a worker whose steps take so long; all are stopped at the end."""
    assert settings.redis_url is not None
    environment = {
        "TCAN_DATA": str(settings.data),
        "TCAN_REDIS_URL": settings.redis_url.get_secret_value(),
        # A machine that is late loses no job; tests let leases run out.
        "TCAN_LEASE_MS": "60000",
        "PAINT_GUARD_S": str(GUARD_S),
    }
    logs = iter(range(100))
    with ExitStack() as stack:

        def start(step_s: float = 0.0, **more: str) -> subprocess.Popen[bytes]:
            log = tmp_path / f"worker-{next(logs)}.log"
            extra = {**environment, "PAINT_STEP_S": str(step_s), **more}
            return stack.enter_context(running([sys.executable, str(WORKER)], log, extra, 0))

        yield start


def submit(
    client: TestClient, folder: Path, *, black: bool = False, steps: int = 5, preset: str = ""
) -> str:
    """Submit a job and return its id."""
    driving = folder / "driving.mp4"
    content = black_video(driving).read_bytes() if black else samples.video(folder, frames=7)
    parts: dict[str, Any] = {
        "image": ("image.png", samples.png()),
        "driving": ("driving.mp4", content),
        "params": (None, f'{{"num_inference_steps": {steps}}}'),
    }
    if preset:
        parts["params"] = (None, json.dumps({"preset": preset}))
    answer = client.post("/animate", files=parts)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def status(client: TestClient, job_id: str) -> dict[str, Any]:
    """Return the job as a caller sees it."""
    answer: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
    return answer


def ended(client: TestClient, job_id: str) -> dict[str, Any]:
    """Wait for the job's end and return it."""

    def probe() -> dict[str, Any] | None:
        job = status(client, job_id)
        return job if job["status"] in ("succeeded", "failed", "canceled") else None

    job = wait_until(probe, f"job {job_id} ends")
    assert job is not None
    return job


def ready_workers(jobs: JobStore) -> int:
    """Count the live workers that have loaded and claim jobs."""
    return sum(worker.ready for worker in jobs.run(presence.workers()))


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End a worker in the middle of what it does."""
    worker.kill()
    worker.wait()


def rendering(client: TestClient, job_id: str) -> None:
    """Wait until some steps of the job are done."""

    def probe() -> bool:
        job = status(client, job_id)
        return bool(job["status"] == "running" and job["progress"]["step"] >= 2)

    wait_until(probe, f"job {job_id} renders")


def test_job_passes_through_all_processes(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    start_worker(step_s=0.05)
    wait_until(lambda: client.get("/readyz").status_code == 200, "the service is ready")
    job_id = submit(client, tmp_path, steps=40)
    assert ended(client, job_id)["status"] == "succeeded"
    with client.stream("GET", f"/jobs/{job_id}/events") as stream:
        info = [event.job["progress"] for event in read_events(stream.iter_lines())]
    fractions = [progress["fraction"] for progress in info if progress is not None]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 3
    (tmp_path / "result.mp4").write_bytes(client.get(f"/jobs/{job_id}/result").content)
    assert count_frames(tmp_path / "result.mp4") == 7
    log = [json.loads(text) for text in (tmp_path / "worker-0.log").read_text().splitlines()]
    assert f"job {job_id}: started queue=prepare attempt=1" in [line["message"] for line in log]
    assert len({line["worker_id"] for line in log}) == 1
    about_job = [line for line in log if job_id in line["message"]]
    assert {line.get("job_id") for line in about_job} == {job_id}


@pytest.mark.long
def test_the_next_job_is_prepared_while_this_one_renders(
    client: TestClient, start_worker: Start, jobs: JobStore, tmp_path: Path
) -> None:
    """With a worker for each queue, the GPU never waits for a detector."""
    start_worker(step_s=LONG_STEP_S, PAINT_QUEUES="render")
    # Whoever does not deliver opens no key: with these settings it could not.
    absent = str(tmp_path / "absent.pem")
    start_worker(PAINT_QUEUES="prepare", TCAN_C2PA_CERT=absent, TCAN_C2PA_KEY=absent)
    first = submit(client, tmp_path, steps=200)
    rendering(client, first)
    second = submit(client, tmp_path)

    def is_prepared() -> bool:
        snapshot = jobs.run(commands.read(second))
        return snapshot is not None and snapshot.record.prepared is not None

    wait_until(is_prepared, "the second job is prepared")
    assert status(client, first)["status"] == "running"
    assert status(client, second)["status"] == "queued"


@pytest.mark.long
def test_idle_worker_claims_the_next_job(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    start_worker()
    for preset in ("", "paint", "", "paint"):
        job = ended(client, submit(client, tmp_path, preset=preset))
        assert (job["status"], job["params"]["preset"]) == ("succeeded", preset or None)


@pytest.mark.slow
def test_idle_worker_claims_the_next_job_before_another_hint_is_sent(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    start_worker()
    ended(client, submit(client, tmp_path))
    for _ in range(3):
        began_s = time.monotonic()
        assert ended(client, submit(client, tmp_path))["status"] == "succeeded"
        assert time.monotonic() - began_s < 3.0


def test_a_job_survives_the_kill_of_its_worker(
    client: TestClient, start_worker: Start, jobs: JobStore, tmp_path: Path
) -> None:
    first = start_worker(step_s=LONG_STEP_S)
    job_id = submit(client, tmp_path, steps=200)
    rendering(client, job_id)
    kill(first)
    expire_lease(jobs, job_id)
    start_worker()
    job = ended(client, job_id)
    assert (job["status"], job["attempts"]) == ("succeeded", 2)


@pytest.mark.long
def test_worker_releases_its_job_on_sigterm(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    release_on_sigterm(client, start_worker, tmp_path, GUARD_S)


@pytest.mark.slow
def test_worker_releases_its_job_within_eight_seconds_of_sigterm(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    release_on_sigterm(client, start_worker, tmp_path, EXIT_S)


def release_on_sigterm(
    client: TestClient, start_worker: Start, tmp_path: Path, deadline_s: float
) -> None:
    first = start_worker(step_s=LONG_STEP_S, PAINT_GUARD_S=str(deadline_s))
    job_id = submit(client, tmp_path, steps=200)
    rendering(client, job_id)
    first.terminate()
    assert first.wait(GUARD_S) == 0
    job = status(client, job_id)
    assert (job["status"], job["stage"], job["attempts"]) == ("queued", "render", 0)
    assert client.get("/readyz").status_code == 503
    start_worker()
    assert ended(client, job_id)["attempts"] == 1


def test_video_without_a_person_fails_the_job_and_not_the_worker(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    worker = start_worker()
    failed = ended(client, submit(client, tmp_path, black=True))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "no_person")
    assert ended(client, submit(client, tmp_path))["status"] == "succeeded"
    assert worker.poll() is None


@pytest.mark.long
def test_running_job_is_canceled(client: TestClient, start_worker: Start, tmp_path: Path) -> None:
    cancel_while_rendering(client, start_worker, tmp_path, step_s=LONG_STEP_S)


@pytest.mark.slow
def test_running_job_is_canceled_within_two_seconds(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    assert cancel_while_rendering(client, start_worker, tmp_path, step_s=0.1) < 2.0


def cancel_while_rendering(
    client: TestClient, start_worker: Start, folder: Path, step_s: float
) -> float:
    """Cancel a job in the middle of its steps; the seconds until it has ended."""
    start_worker(step_s=step_s)
    job_id = submit(client, folder, steps=200)
    rendering(client, job_id)
    began_s = time.monotonic()
    client.post(f"/jobs/{job_id}/cancel")
    assert ended(client, job_id)["status"] == "canceled"
    return time.monotonic() - began_s


@pytest.mark.long
def test_worker_that_claims_no_jobs_restarts_itself(
    client: TestClient, start_worker: Start, tmp_path: Path
) -> None:
    worker = start_worker(PAINT_STALLED=str(tmp_path / "was-stalled"), TCAN_STALLED_S="3")
    wait_until(lambda: client.get("/readyz").status_code == 200, "the service is ready")
    job_id = submit(client, tmp_path)
    assert ended(client, job_id)["status"] == "succeeded"
    assert worker.poll() is None
    restarts = re.search(r"tcan_worker_restarts_total (\d+)", client.get("/metrics").text)
    assert restarts is not None and int(restarts[1]) == 1


@pytest.mark.long
def test_job_that_kills_its_workers_fails_after_three_attempts(
    client: TestClient, start_worker: Start, jobs: JobStore, tmp_path: Path
) -> None:
    poison = submit(client, tmp_path, steps=POISON_STEPS)
    healthy = [submit(client, tmp_path) for _ in range(3)]
    workers = [start_worker(PAINT_POISON=str(POISON_STEPS)) for _ in range(2)]

    def has_failed() -> bool:
        for index, worker in enumerate(workers):
            if worker.poll() is not None:
                expire_lease(jobs, poison)
                workers[index] = start_worker(PAINT_POISON=str(POISON_STEPS))
        return bool(status(client, poison)["status"] == "failed")

    wait_until(has_failed, "the job fails")
    failed = status(client, poison)
    assert failed["error"]["code"] == "worker_lost"
    assert failed["error"]["stage"] == "render"
    assert "3 workers" in failed["error"]["detail"]
    for job_id in healthy:
        assert ended(client, job_id)["status"] == "succeeded"


@pytest.mark.long
def test_job_of_a_stopping_worker_resumes_elsewhere_at_once(
    client: TestClient, start_worker: Start, jobs: JobStore, tmp_path: Path
) -> None:
    first = start_worker(step_s=LONG_STEP_S)
    job_id = submit(client, tmp_path, steps=200)
    rendering(client, job_id)
    start_worker(step_s=LONG_STEP_S)
    wait_until(lambda: ready_workers(jobs) == 2, "both are ready")
    first.terminate()
    assert first.wait(GUARD_S) == 0
    step = status(client, job_id)["progress"]["step"]
    wait_until(lambda: status(client, job_id)["progress"]["step"] > step, "the next step")
    assert status(client, job_id)["status"] == "running"
    metrics = client.get("/metrics").text
    assert "tcan_jobs_resumed_total 1.0" in metrics
    assert "\ntcan_denoising_steps_repeated_total" not in metrics
