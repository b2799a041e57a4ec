"""What became of the jobs: read from their events, which tell each change with its time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from service.contract.states import JobState
from service.errors import UnavailableError
from service.stores.job_store import commands, counts, events
from service.stores.job_store.events import JobEvent
from service.stores.job_store.store import JobStore
from tests.chaos.callers import Callers
from tests.chaos.harm import Harm
from tests.chaos.starving import BOUND_S
from tests.recovery import moved_on_ms, repeated_steps


@dataclass(frozen=True)
class Report:
    """The numbers of one run.

    Attributes:
        tries: requests for jobs; each is accepted at last, unless the run ends before.
        starved_s: the longest time without an accepted job, beyond the outages themselves.
        lost: accepted jobs that did not succeed.
        twice: jobs with more than one end, or with outputs of more than one attempt.
        missing: webhooks of ended jobs that never came.
        repeated: denoising steps that were done once more, by what workers told of their work.
        worst_s, median_s: from a harm until every job that was at work has moved on; being taken
            again is not enough.
    """

    seconds: int
    seed: int
    harms: int
    tries: int
    accepted: int
    starved_s: float
    finished: int
    lost: int
    twice: int
    missing: int
    resumed: int
    repeated: int
    worst_s: float
    median_s: float

    @property
    def holds(self) -> bool:
        """True if nothing was lost, published twice or not told, and nobody was kept out."""
        return not (self.lost or self.twice or self.missing) and self.starved_s <= BOUND_S

    def text(self) -> str:
        """One number per line."""
        return "\n".join(f"{name:10} {value}" for name, value in asdict(self).items())


def wait_for_ends(jobs: JobStore, job_ids: Sequence[str], timeout_s: float) -> list[str]:
    """Wait until the jobs have ended; those that have not."""
    deadline, left = time.monotonic() + timeout_s, list(job_ids)
    while left and time.monotonic() < deadline:
        try:
            left = [job_id for job_id in left if not _has_ended(jobs, job_id)]
        except UnavailableError:
            pass  # the store is on its way back
        time.sleep(0.5)
    return left


def make_report(
    jobs: JobStore,
    seconds: int,
    seed: int,
    harms: Sequence[Harm],
    callers: Callers,
) -> Report:
    """Look at all that was accepted, after the drain."""
    ids, told = callers.accepted, callers.told()
    stories = {job_id: jobs.run(events.events(job_id, 0, 10_000)) for job_id in ids}
    finished = [job_id for job_id in ids if _state(stories[job_id]) is JobState.SUCCEEDED]
    counted = jobs.run(counts.service_stats()).counters
    recoveries = [_recovery_s(harm, list(stories.values())) for harm in harms]
    known = [seconds_ for seconds_ in recoveries if seconds_ is not None]
    return Report(
        seconds=seconds,
        seed=seed,
        harms=len(harms),
        tries=callers.tries,
        accepted=len(ids),
        starved_s=round(callers.starved_s(harms), 1),
        finished=len(finished),
        lost=len(ids) - len(finished),
        twice=sum(_is_twice(story) for story in stories.values()),
        missing=sum(1 for job_id in ids if told[job_id] != 1),
        resumed=int(counted.get(("resumed",), 0)),
        repeated=sum(repeated_steps(story) for story in stories.values()),
        worst_s=round(max(known, default=0.0), 1),
        median_s=round(statistics.median(known), 1) if known else 0.0,
    )


def _has_ended(jobs: JobStore, job_id: str) -> bool:
    snapshot = jobs.run(commands.read(job_id))
    return snapshot is not None and snapshot.record.state.is_terminal


def _state(story: list[JobEvent]) -> JobState | None:
    return story[-1].snapshot.record.state if story else None


def _is_twice(story: list[JobEvent]) -> bool:
    ends = [event for event in story if event.snapshot.record.state.is_terminal]
    attempts = {key.split("/")[2] for key in story[-1].snapshot.record.outputs.values()}
    return len(ends) != 1 or len(attempts) > 1


def _recovery_s(harm: Harm, stories: list[list[JobEvent]]) -> float | None:
    """From the harm until each job that was at work has moved on; None when none was."""
    moved = [after for story in stories if (after := moved_on_ms(story, harm.began_ms))]
    return (max(moved) - harm.began_ms) / 1000 if moved else None
