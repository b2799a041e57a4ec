"""A job store that falls silent while a job is taken: its worker finds the lease that it has."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from redis import Redis

from service.contract.queues import Queue
from service.contract.states import JobState
from service.stores.job_store import counts
from service.stores.job_store.commands import Command
from service.stores.job_store.store import JobStore
from tests.servers import valkey, wait_until
from tests.service.job_driver import reclaim_expired
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker import job_runner

T = TypeVar("T")
Server = tuple[str, subprocess.Popen[bytes]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    with valkey(folder) as running:
        yield running


@pytest.fixture
def redis_url(server: Server) -> str:
    """All stores of these tests are on the server that stops answering."""
    return server[0]


class ShortTimeoutJobStore(JobStore):
    """A job store with a short reply timeout that counts the claims it sent."""

    claims = 0

    @classmethod
    def connect(cls, url: str, clock: Callable[[], int] | None = None) -> ShortTimeoutJobStore:
        return cls(Redis.from_url(url, decode_responses=True, socket_timeout=0.2))

    def run(self, call: Command[T]) -> T:
        self.claims += call.script == "claim_job"
        return super().run(call)


def test_claim_with_a_lost_reply_is_one_attempt(
    desk: Desk, jobs: JobStore, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the server resumes, it executes the commands sent meanwhile."""
    monkeypatch.setattr(job_runner, "CLAIM_PAUSE_S", 0.01)
    first, second = desk.submit(), desk.submit()
    store = ShortTimeoutJobStore.connect(server[0])
    worker = replace(desk.with_animator(PaintAnimator()), jobs=store)
    worker.run(Queue.RENDER, "none waits")  # the connection is open, the script is known
    working = threading.Thread(target=worker.run, args=(Queue.PREPARE, first))
    server[1].send_signal(signal.SIGSTOP)
    working.start()
    wait_until(lambda: store.claims >= 4, "two claims were not answered")
    server[1].send_signal(signal.SIGCONT)
    working.join()
    store.close()
    done, other = desk.record(first), desk.record(second)
    assert (done.state, done.queue, done.token) == (JobState.QUEUED, Queue.RENDER, 1)
    assert (other.state, other.queue, other.token) == (JobState.QUEUED, Queue.PREPARE, 0)
    assert reclaim_expired(jobs) == []
    assert ("leases_lost", "prepare") not in jobs.run(counts.service_stats()).counters
