"""Lists, positions and times of jobs, on a real Valkey."""

from __future__ import annotations

from typing import Any

import pytest

from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.stores.job_store import commands, retention
from service.stores.job_store.snapshots import Forecast, JobSnapshot, QueueContext
from service.stores.job_store.store import JobStore
from tests.service.stores.job_store.records import INPUTS, Clock, created, state, taken


def listed(jobs: JobStore, *arguments: Any, **filters: Any) -> list[str]:
    """Return the ids on a page."""
    return [each.record.id for each in jobs.run(commands.recent(*arguments, **filters)).jobs]


def test_positions_follow_creation_order(jobs: JobStore, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 1
    taken(jobs)
    snapshots = [jobs.run(commands.read(job_id)) for job_id in ("a", "b", "c")]
    assert [snapshot.position for snapshot in snapshots if snapshot] == [None, 0, 1]
    assert jobs.run(commands.read("missing")) is None


def test_list_is_newest_first_and_pages_are_contiguous(jobs: JobStore, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 1
    assert listed(jobs, 2) == ["c", "b"]
    behind_b = commands.Cursor(clock.now_ms - 2, "b")
    assert listed(jobs, 2, behind_b) == ["a"]
    jobs.run(commands.cancel("b"))
    jobs.run(commands.erase("b"))
    assert listed(jobs, 2, behind_b) == ["a"]


def test_jobs_of_same_millisecond_are_listed_once(jobs: JobStore, clock: Clock) -> None:
    names = [f"j{number}" for number in range(7)]
    for name in names:
        created(jobs, name)
    seen: list[str] = []
    after = None
    while page := listed(jobs, 3, after):
        seen += page
        after = commands.Cursor(clock.now_ms, page[-1])
    assert seen == names[::-1]


def test_list_filters_by_caller_state_and_time(jobs: JobStore, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 10
    jobs.run(commands.create("x", JobParams(), INPUTS, caller="other"))
    jobs.run(commands.cancel("b"))
    taken(jobs)
    assert listed(jobs, 9, states=[JobState.QUEUED]) == ["c"]
    assert listed(jobs, 9, states=[JobState.PREPARING, JobState.CANCELED]) == ["b", "a"]
    assert listed(jobs, 9, since_ms=clock.now_ms - 20) == ["c", "b"]
    assert listed(jobs, 9, until_ms=clock.now_ms - 20) == ["a"]
    assert listed(jobs, 9, caller="other") == ["x"]
    assert listed(jobs, 9, commands.Cursor(10**15 - 1, "0"), until_ms=clock.now_ms - 20) == ["a"]


def test_waiting_and_working_times_are_recorded(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    clock.now_ms += 100
    token = taken(jobs).token
    clock.now_ms += 20
    seconds = {"prepare": 0.02}
    jobs.run(commands.hand_over("a", token, Queue.RENDER, "jobs/a/p", [], seconds))
    clock.now_ms += 5
    token = taken(jobs, Queue.RENDER).token
    clock.now_ms += 700
    jobs.run(commands.succeed("a", token, {}, [], {**seconds, "denoise": 0.7}))
    ended = state(jobs)
    assert (ended.waited_ms, ended.prepare_ms, ended.render_ms) == (105, 20, 700)
    assert ended.seconds == {"prepare": 0.02, "denoise": 0.7}
    assert ended.taken_ms is None


def test_forecast_uses_durations_and_errors_of_past_jobs(jobs: JobStore, clock: Clock) -> None:
    def run(job_id: str, frames: int, took_ms: int) -> JobSnapshot | None:
        inputs = INPUTS.model_copy(update={"frames": frames})
        jobs.run(commands.create(job_id, JobParams(num_inference_steps=10), inputs))
        before = jobs.run(commands.read(job_id))
        record = jobs.run(commands.claim(job_id, Queue.PREPARE, "w", 10**6))
        assert record is not None
        clock.now_ms += took_ms
        jobs.run(commands.succeed(job_id, record.token, {}, []))
        return before

    first, second, third = run("a", 10, 1000), run("b", 20, 1000), run("c", 10, 500)
    assert first is not None and first.forecast is None
    assert second is not None and second.forecast == Forecast(
        2.0, 1.0, None, 0, QueueContext(0, 0, 0)
    )
    # 2 s were expected and it took 1 s, as the job of half its size.
    assert third is not None and third.forecast is not None
    assert third.forecast.expected_s == pytest.approx(1.0)
    assert (third.forecast.error, third.forecast.estimates) == (1.0, 1)


def test_only_ended_jobs_expire(jobs: JobStore, clock: Clock) -> None:
    options = JobOptions(ttl_s=60)
    for job_id in ("a", "b"):
        jobs.run(commands.create(job_id, JobParams(), INPUTS, options=options))
    taken(jobs)
    jobs.run(commands.cancel("b"))
    clock.now_ms += 59_999
    assert jobs.run(retention.expired_jobs()) == []
    clock.now_ms += 10**9
    assert jobs.run(retention.expired_jobs()) == ["b"]
    assert jobs.run(commands.erase("a")) is JobState.PREPARING
    assert jobs.run(commands.erase("b")) is JobState.CANCELED
    assert jobs.run(commands.erase("b")) is None
    assert jobs.run(retention.expired_jobs()) == []
    assert [each.record.id for each in jobs.run(commands.recent(9)).jobs] == ["a"]
