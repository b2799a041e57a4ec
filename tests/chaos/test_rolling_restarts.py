"""Rolling restarts under load: no job is lost, and at most one step per job is repeated."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.video_reader import VideoReader
from service.contract.states import JobState
from service.stores.job_store import events, presence
from service.stores.job_store.events import JobEvent
from service.stores.job_store.store import JobStore
from tcan_client import Client
from tests.chaos.callers import Callers
from tests.chaos.load import puppets
from tests.chaos.report import wait_for_ends
from tests.chaos.service import Service
from tests.recovery import denoising_reports, repeated_steps
from tests.servers import listens, wait_until
from tests.service.receiver import receiving

# Workers twice: the second time they run jobs that were claimed after the other restarts.
IN_TURN = ("worker-1", "gateway", "worker-2", "valkey", "worker-1", "worker-2")
STEPS = 20
# Time for a part to exit (a worker's contract allows 10 s), to start, and for the drain.
EXIT_S, START_S, DRAIN_S = 10.0, 120.0, 180.0

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(1200)]


class Site:
    """The service with workers of the shipped model, under continuous load."""

    def __init__(self, service: Service, client: Client, callers: Callers) -> None:
        self.service, self.client, self.callers = service, client, callers
        self.jobs = JobStore.connect(service.redis_url)

    def denoising_jobs(self) -> list[str]:
        """Return the jobs that are being denoised."""
        running_jobs = self.client.jobs(states=(JobState.RUNNING,))
        return [job.id for job in running_jobs if job.stage == "denoise"]

    def restart(self, name: str) -> int:
        """Restart a part while jobs are denoised; return the exit code of the old process."""
        wait_until(lambda: len(self.denoising_jobs()) == 2, "both workers render", START_S)
        part = self.service.parts[name]
        process, starts = part.process, part.starts
        assert process is not None
        part.send(signal.SIGTERM)
        code = process.wait(EXIT_S)
        wait_until(lambda: part.starts > starts, f"{name} is started again", START_S)
        wait_until(partial(self._is_back, name), f"{name} is back", START_S)
        return code

    def _is_back(self, name: str) -> bool:
        if name == "valkey" and not listens(self.service.redis_port):
            return False
        return self.client.is_ready() and self._ready() == self.service.workers

    def _ready(self) -> int:
        return sum(worker.ready for worker in self.jobs.run(presence.workers()))

    def history(self, job_id: str) -> list[JobEvent]:
        return self.jobs.run(events.events(job_id, 0, 10_000))

    def frames(self, job_id: str, folder: Path) -> NDArray[np.uint8]:
        """Download the frames of a job's result, (frames, height, width, 3)."""
        self.client.download(job_id, folder / "result.mp4")
        return np.stack(list(VideoReader(folder / "result.mp4")))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    load = puppets(tmp_path)._replace(steps=(STEPS, STEPS))
    with (
        receiving() as receiver,
        Service(tmp_path / "service", model=True) as service,
        Client(service.url) as client,
    ):
        wait_until(client.is_ready, "the service is ready", START_S)
        site = Site(service, client, Callers(service.url, receiver, load))
        yield site
        site.jobs.close()


def test_rolling_restarts_lose_no_job_and_repeat_few_steps(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    callers = site.callers
    callers.start()
    first = wait_until(lambda: callers.accepted[:1], "a job is accepted", START_S)[0]
    assert site.client.wait(first).status == "succeeded"
    reference = site.frames(first, tmp_path)
    codes = [(name, site.restart(name)) for name in IN_TURN]
    callers.stop()
    assert wait_for_ends(site.jobs, callers.accepted, DRAIN_S) == []

    histories = {job_id: site.history(job_id) for job_id in callers.accepted}
    ends = [history[-1].snapshot.record for history in histories.values()]
    assert {record.state for record in ends} == {JobState.SUCCEEDED}
    # A restart is not an attempt: a worker that exits returns its job to the queue.
    assert {
        event.snapshot.record.attempts for history in histories.values() for event in history
    } <= {
        0,
        1,
    }
    handed_over = [history for history in histories.values() if len(denoising_reports(history)) > 1]
    repeated = [repeated_steps(history) for history in handed_over]
    for job_id in histories:
        assert np.array_equal(site.frames(job_id, tmp_path), reference), job_id
    record_property(
        f"{len(IN_TURN)} restarts in turn",
        f"{len(ends)} jobs, {len(handed_over)} handed over while denoising; repeated steps: "
        f"{sum(repeated)}, at most {max(repeated, default=0)} per job; exit codes {codes}",
    )
    assert len(handed_over) >= IN_TURN.count("worker-1")
    assert max(repeated) <= 1 and sum(repeated) <= len(IN_TURN)
    # uvicorn re-raises the signal after its clean shutdown.
    assert all(code == (-signal.SIGTERM if name == "gateway" else 0) for name, code in codes), codes
