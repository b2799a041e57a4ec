"""The report of a run: outcomes of the jobs, read from their events."""

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
from tests.chaos.faults import Fault
from tests.chaos.submit_gap import MAX_GAP_S
from tests.recovery import recovered_ms, repeated_steps


@dataclass(frozen=True)
class Report:
    """Results of one run.

    Attributes:
        attempts: submit requests, repeated ones included.
        longest_gap_s: the longest time without an accepted job, outages excluded.
        lost: accepted jobs that did not succeed.
        duplicated: jobs with several final states or with outputs of several attempts.
        missing: ended jobs without exactly one webhook message.
        repeated: denoising steps that were computed twice, by the reported progress.
        worst_s, median_s: from a fault until every running job has made progress; a new claim
            alone does not count.
    """

    seconds: int
    seed: int
    faults: int
    attempts: int
    accepted: int
    longest_gap_s: float
    finished: int
    lost: int
    duplicated: int
    missing: int
    resumed: int
    repeated: int
    worst_s: float
    median_s: float

    @property
    def passed(self) -> bool:
        """True if no job is lost or duplicated, no webhook is missing and submits never starve."""
        return (
            not (self.lost or self.duplicated or self.missing) and self.longest_gap_s <= MAX_GAP_S
        )

    def text(self) -> str:
        """Return one number per line."""
        return "\n".join(f"{name:13} {value}" for name, value in asdict(self).items())


def wait_for_ends(jobs: JobStore, job_ids: Sequence[str], timeout_s: float) -> list[str]:
    """Wait until the jobs have ended; return the ids of unfinished ones."""
    deadline, unfinished = time.monotonic() + timeout_s, list(job_ids)
    while unfinished and time.monotonic() < deadline:
        try:
            unfinished = [job_id for job_id in unfinished if not _has_ended(jobs, job_id)]
        except UnavailableError:
            pass  # the store is restarting
        time.sleep(0.5)
    return unfinished


def make_report(
    jobs: JobStore,
    seconds: int,
    seed: int,
    faults: Sequence[Fault],
    callers: Callers,
) -> Report:
    """Summarize all accepted jobs after the drain."""
    ids, messages = callers.accepted, callers.message_counts()
    histories = {job_id: jobs.run(events.events(job_id, 0, 10_000)) for job_id in ids}
    finished = [job_id for job_id in ids if _state(histories[job_id]) is JobState.SUCCEEDED]
    counters = jobs.run(counts.service_stats()).counters
    recoveries = [_recovery_s(fault, list(histories.values())) for fault in faults]
    durations_s = [duration for duration in recoveries if duration is not None]
    return Report(
        seconds=seconds,
        seed=seed,
        faults=len(faults),
        attempts=callers.attempts,
        accepted=len(ids),
        longest_gap_s=round(callers.longest_gap_s(faults), 1),
        finished=len(finished),
        lost=len(ids) - len(finished),
        duplicated=sum(_is_duplicated(history) for history in histories.values()),
        missing=sum(1 for job_id in ids if messages[job_id] != 1),
        resumed=int(counters.get(("resumed",), 0)),
        repeated=sum(repeated_steps(history) for history in histories.values()),
        worst_s=round(max(durations_s, default=0.0), 1),
        median_s=round(statistics.median(durations_s), 1) if durations_s else 0.0,
    )


def _has_ended(jobs: JobStore, job_id: str) -> bool:
    snapshot = jobs.run(commands.read(job_id))
    return snapshot is not None and snapshot.record.state.is_terminal


def _state(history: list[JobEvent]) -> JobState | None:
    return history[-1].snapshot.record.state if history else None


def _is_duplicated(history: list[JobEvent]) -> bool:
    ends = [event for event in history if event.snapshot.record.state.is_terminal]
    attempts = {key.split("/")[2] for key in history[-1].snapshot.record.outputs.values()}
    return len(ends) != 1 or len(attempts) > 1


def _recovery_s(fault: Fault, histories: list[list[JobEvent]]) -> float | None:
    """Return the time from a fault until all running jobs made progress; None without any."""
    times_ms = [at for history in histories if (at := recovered_ms(history, fault.began_ms))]
    return (max(times_ms) - fault.began_ms) / 1000 if times_ms else None
