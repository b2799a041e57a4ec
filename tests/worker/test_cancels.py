"""A hundred cancels of jobs that worker processes of the shipped model have, or are about to."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from service.contract.job import JobRecord
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED
from tcan_core.sampling.context_windows import context_windows
from tests.recovery import denoising_reports
from tests.servers import GUARD_S, wait_until
from tests.worker.real_workers import RealWorkers, real_workers

FRAMES, STEPS, SEED = 40, 30, 7
WINDOWS = len(context_windows(FRAMES, 16, 2))
# How many of each; 100 together.
WAITING, PREPARING, RUNNING, LEAVING = 30, 30, 30, 10

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(3600)]


class Canceling:
    """Cancels jobs and measures how long each takes to end after the response."""

    def __init__(self, world: RealWorkers, pair: Path) -> None:
        self.world, self.pair, self.chosen = world, pair, random.Random(SEED)
        self.ended_after_s: dict[str, list[float]] = {}
        self.ids: list[str] = []

    def submit(self, driving: str = "driving_pose.json") -> str:
        return self.world.submit(self.pair, driving, STEPS)

    def cancel(self, job_id: str, moment: str) -> None:
        """Cancel the job, wait for its end, and note how long that took."""
        answer = self.world.client.cancel(job_id)
        answered_s = time.time()
        assert answer.status not in ("succeeded", "failed"), answer

        def end() -> int | None:
            return self.world.record(job_id).ended_ms

        ended_ms = wait_until(end, f"the job {job_id} ends")
        assert ended_ms is not None
        after_s = max(0.0, ended_ms / 1000 - answered_s)
        self.ended_after_s.setdefault(moment, []).append(after_s)
        self.ids.append(job_id)

    def while_waiting(self) -> None:
        blocking = [self.submit() for _ in range(2)]
        for job_id in blocking:
            wait_until(partial(self.world.at_step, job_id, 1), "no worker is idle")
        for _ in range(WAITING):
            self.cancel(self.submit(), "queued")
        for job_id in blocking:
            self.world.client.cancel(job_id)

    def while_preparing(self) -> None:
        for _ in range(PREPARING):
            job_id = self.submit("driving.mp4")
            wait_until(partial(self._is_preparing, job_id), f"{job_id} is prepared")
            self.cancel(job_id, "preparing")

    def while_running(self) -> None:
        for _ in range(RUNNING):
            job_id = self.submit()
            self._at_some_step(job_id, STEPS // 2)
            self.cancel(job_id, "running")

    def while_leaving(self) -> None:
        """Cancel jobs whose worker got SIGTERM just before."""
        for _ in range(LEAVING):
            wait_until(self.world.all_ready, "both workers are ready")
            job_id = self.submit()
            record = self._at_some_step(job_id, STEPS // 2)
            leaving = self.world.replace_holder(record, signal.SIGTERM)
            self.cancel(job_id, "leaving")
            assert leaving.wait(GUARD_S) == 0

    def _is_preparing(self, job_id: str) -> bool:
        return self.world.record(job_id).state is JobState.PREPARING

    def _at_some_step(self, job_id: str, last: int) -> JobRecord:
        step = self.chosen.randrange(last)
        record = wait_until(partial(self.world.at_step, job_id, step), f"step {step}")
        assert record is not None
        return record


@pytest.fixture
def world(settings: Settings, jobs: JobStore, tmp_path: Path) -> Iterator[RealWorkers]:
    with real_workers(settings, jobs, tmp_path) as workers:
        yield workers


def window_s(world: RealWorkers, job_id: str) -> float:
    """Return seconds per window over a job's render, without the first step's unreported ones."""
    assert world.client.wait(job_id).status == "succeeded"
    [reports] = denoising_reports(world.story(job_id)).values()
    took_ms = reports[-1].snapshot.now_ms - reports[0].snapshot.now_ms
    return took_ms / 1000 / (STEPS * WINDOWS - 1)


def test_a_hundred_cancels_end_within_a_window(
    world: RealWorkers, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pair = tmp_path / "pair"
    pair.mkdir()
    render_pair(pair, seed=FIRST_TEST_SEED + 701, num_frames=FRAMES, size=64)
    wait_until(world.all_ready, "both workers are ready")
    canceling = Canceling(world, pair)
    # Both workers at work, as most of the time below.
    both = [canceling.submit() for _ in range(2)]
    window = max(window_s(world, job_id) for job_id in both)
    canceling.while_waiting()
    canceling.while_preparing()
    canceling.while_running()
    canceling.while_leaving()
    last = canceling.submit()
    assert world.client.wait(last).status == "succeeded"
    assert world.jobs.run(commands.reclaim_expired(3)) == []
    records = [world.record(job_id) for job_id in canceling.ids]
    assert [record.state for record in records] == 100 * [JobState.CANCELED]
    assert all(not record.outputs and record.error is None for record in records)
    for moment, seconds in canceling.ended_after_s.items():
        record_property(
            f"{len(seconds)} cancels while {moment}",
            f"ended after: median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s; "
            f"a window takes {window:.3f} s",
        )
    assert max(map(max, canceling.ended_after_s.values())) <= window
