"""The measures of recovery count what was done, on the events of a real store."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from service.contract.queues import Queue
from service.stores.job_store import commands, events
from service.stores.job_store.events import JobEvent
from service.stores.job_store.store import JobStore
from tcan_core.progress import AnimateProgress
from tests.recovery import next_step_ms, recovered_ms, repeated_steps
from tests.servers import wait_until
from tests.service.job_driver import expire_lease, reclaim_expired
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.outputs.progress import job_progress

STEPS, WINDOWS = 10, 4


class Story:
    """A job of four windows per step, whose workers report each window."""

    def __init__(self, desk: Desk, jobs: JobStore) -> None:
        self.jobs, self.id, self.token = jobs, desk.submit(steps=STEPS), 0
        desk.with_animator(PaintAnimator()).run(Queue.PREPARE, self.id)

    def take(self) -> None:
        """Claim the job as another worker."""
        if self.token:
            expire_lease(self.jobs, self.id)
            reclaim_expired(self.jobs)
        record = self.jobs.run(commands.claim_next(Queue.RENDER, "w", 60_000))
        assert record is not None
        self.token = record.token

    def now_ms(self) -> int:
        """Return the server's time."""
        snapshot = self.jobs.run(commands.read(self.id))
        assert snapshot is not None
        return snapshot.now_ms

    def report(self, windows: Sequence[int]) -> None:
        """Report progress after each of the windows, counted from the start of the render."""
        self._renew(AnimateProgress("encode", 0, 1, fraction=0.0))
        for done in windows:
            step = (done - 1) // WINDOWS + 1
            self._renew(AnimateProgress("denoise", step, STEPS, fraction=done / (STEPS * WINDOWS)))

    def events(self) -> list[JobEvent]:
        return self.jobs.run(events.events(self.id, 0, 1000))

    def _renew(self, step: AnimateProgress) -> None:
        self.jobs.run(commands.renew(self.id, self.token, 60_000, job_progress(step)))


@pytest.mark.parametrize(
    ("killed_at", "goes_on_at", "repeated"),
    [(12, 13, 0), (14, 13, 1), (16, 13, 1), (17, 13, 2), (17, 1, 5)],
    ids=["none", "a part", "a whole one", "one and a part", "all: it restarts"],
)
def test_repeated_steps_are_counted(
    desk: Desk, jobs: JobStore, killed_at: int, goes_on_at: int, repeated: int
) -> None:
    story = Story(desk, jobs)
    story.take()
    story.report(range(1, killed_at + 1))
    story.take()
    story.report(range(goes_on_at, STEPS * WINDOWS + 1))
    assert repeated_steps(story.events()) == repeated


def test_reclaiming_is_not_progress(desk: Desk, jobs: JobStore) -> None:
    story = Story(desk, jobs)
    story.take()
    first = story.token
    story.report([1, 2])
    killed_ms = story.events()[-1].snapshot.now_ms
    wait_until(lambda: story.now_ms() > killed_ms, "a later millisecond")
    story.take()
    assert recovered_ms(story.events(), killed_ms) is None
    with pytest.raises(AssertionError, match="no later worker made progress"):
        next_step_ms(story.events(), first)
    story.report([1])
    begun = story.events()[-1].snapshot.now_ms
    assert recovered_ms(story.events(), killed_ms) == next_step_ms(story.events(), first) == begun
