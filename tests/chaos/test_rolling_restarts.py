"""Everything is restarted in turn under load: no job is lost, and no work beyond one step."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.video import VideoReader
from service.client import Client
from service.contract.states import JobState
from service.stores.job_store import events, presence
from service.stores.job_store.events import JobEvent
from service.stores.job_store.store import JobStore
from tests.chaos.callers import Callers
from tests.chaos.load import puppets
from tests.chaos.report import wait_for_ends
from tests.chaos.service import Service
from tests.recovery import denoising, repeated_steps
from tests.servers import listens, wait_until
from tests.service.receiver import receiving

# Workers twice: the second time, the jobs at work are some that were taken after all the rest.
IN_TURN = ("worker-1", "gateway", "worker-2", "valkey", "worker-1", "worker-2")
STEPS = 20
# How long a part may take to leave: a worker 10 s by its contract, and no other more.
LEAVE_S, START_S, DRAIN_S = 10.0, 120.0, 180.0

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(1200)]


class Site:
    """The service with workers of the shipped model, and callers who ask for jobs all the time."""

    def __init__(self, service: Service, client: Client, callers: Callers) -> None:
        self.service, self.client, self.callers = service, client, callers
        self.jobs = JobStore.connect(service.redis_url)

    def at_work(self) -> list[str]:
        """Jobs that are denoised now."""
        listed = self.client.jobs(states=(JobState.RUNNING,))
        return [job.id for job in listed if job.stage == "denoise"]

    def restart(self, name: str) -> int:
        """Let a part leave while jobs are at work; its exit code, once another is in its place."""
        wait_until(lambda: len(self.at_work()) == 2, "both workers render", START_S)
        part = self.service.parts[name]
        process, starts = part.process, part.starts
        assert process is not None
        part.send(signal.SIGTERM)
        code = process.wait(LEAVE_S)
        wait_until(lambda: part.starts > starts, f"{name} is started again", START_S)
        wait_until(partial(self._is_back, name), f"{name} is back", START_S)
        return code

    def _is_back(self, name: str) -> bool:
        if name == "valkey" and not listens(self.service.redis_port):
            return False
        return self.client.is_ready() and self._ready() == self.service.workers

    def _ready(self) -> int:
        return sum(worker.ready for worker in self.jobs.run(presence.workers()))

    def story(self, job_id: str) -> list[JobEvent]:
        return self.jobs.run(events.events(job_id, 0, 10_000))

    def frames(self, job_id: str, folder: Path) -> NDArray[np.uint8]:
        """Pictures of the job's result, (frames, height, width, 3)."""
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


def test_rolling_restarts_lose_no_job_and_no_step(
    site: Site, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    callers = site.callers
    callers.start()
    first = wait_until(lambda: callers.accepted[:1], "a job is accepted", START_S)[0]
    assert site.client.wait(first).status is JobState.SUCCEEDED
    undisturbed = site.frames(first, tmp_path)
    codes = [(name, site.restart(name)) for name in IN_TURN]
    callers.stop()
    assert wait_for_ends(site.jobs, callers.accepted, DRAIN_S) == []

    stories = {job_id: site.story(job_id) for job_id in callers.accepted}
    ends = [story[-1].snapshot.record for story in stories.values()]
    assert {record.state for record in ends} == {JobState.SUCCEEDED}
    # A restart is no attempt: whoever leaves gives its job back, and whoever has none waits.
    assert {event.snapshot.record.attempts for story in stories.values() for event in story} <= {
        0,
        1,
    }
    passed_on = [story for story in stories.values() if len(denoising(story)) > 1]
    repeated = [repeated_steps(story) for story in passed_on]
    for job_id in stories:
        assert np.array_equal(site.frames(job_id, tmp_path), undisturbed), job_id
    record_property(
        f"{len(IN_TURN)} restarts in turn",
        f"{len(ends)} jobs, {len(passed_on)} passed on within their denoising; steps done again: "
        f"{sum(repeated)}, at most {max(repeated, default=0)} of a job; exit codes {codes}",
    )
    assert len(passed_on) >= IN_TURN.count("worker-1")
    assert max(repeated) <= 1 and sum(repeated) <= len(IN_TURN)
    # The gateway's server ends by the signal itself, once it has left in good order.
    assert all(code == (-signal.SIGTERM if name == "gateway" else 0) for name, code in codes), codes
