"""A worker hears of a cancel at once, long before it would renew its lease."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.contract.states import JobState
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tests.servers import wait_until
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner
from worker.runtime import cancellation
from worker.runtime.cancellation import CancelListener
from worker.runtime.lease import StopReason

# Renewed every 12 s, longer than these tests take.
LEASE_MS = 60_000


class Hearing:
    """A worker that is asked to stop at its third step."""

    def __init__(self, desk: Desk, jobs: JobStore) -> None:
        self._desk, self._jobs = desk, jobs
        self.painter = PaintAnimator()
        painting = desk.with_animator(self.painter)
        self.runner: JobRunner = replace(painting, lease_ms=LEASE_MS)

    def listeners(self) -> int:
        [(_, number)] = self._jobs.redis.pubsub_numsub("tcan:cancels")
        return int(number)

    def canceled(self) -> JobState:
        """Cancel a running job and return its state."""
        job_id = self._desk.submit(steps=5)

        def cancel(step: int) -> None:
            if step == 2:
                self._jobs.run(commands.cancel(job_id))
                lease = self.runner.lease
                assert lease is not None
                wait_until(
                    lambda: lease.stop_reason is StopReason.CANCELED, "the worker hears of it"
                )

        self.painter.done, self.painter.on_step = [], cancel
        return self._desk.finish(job_id, self.runner).state


@pytest.fixture
def hearing(desk: Desk, jobs: JobStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hearing]:
    monkeypatch.setattr(cancellation, "RECONNECT_S", 0.05)
    hearing = Hearing(desk, jobs)
    with CancelListener(jobs, hearing.runner.on_cancel_request):
        wait_until(hearing.listeners, "the worker listens")
        yield hearing


def test_worker_notices_a_cancel_at_once(hearing: Hearing) -> None:
    assert (hearing.canceled(), hearing.painter.done) == (JobState.CANCELED, [1, 2])


def test_cancel_listener_reconnects_after_a_lost_connection(
    hearing: Hearing, jobs: JobStore
) -> None:
    jobs.redis.client_kill_filter(_type="pubsub")
    wait_until(lambda: not hearing.listeners(), "no worker listens")
    wait_until(hearing.listeners, "the worker listens again")
    assert (hearing.canceled(), hearing.painter.done) == (JobState.CANCELED, [1, 2])
