"""The job record, its lease and its states, on a real Valkey."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from redis import Redis

from service.access.secrets import id_of
from service.contract.callers import CallerLimits
from service.contract.errors import ErrorCode, JobError
from service.contract.job import (
    Checkpoint,
    DrivingKind,
    JobInputs,
    JobRecord,
    Output,
    Progress,
)
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import TRANSITIONS, JobState
from service.contract.workers import WorkerInfo
from service.errors import Unavailable
from service.stores import calls, counts, events, keys, requests
from service.stores.calls import Call, Hold
from service.stores.jobs import READING, AsyncJobs, Jobs, scripts
from service.stores.requests import Claim, Upload
from tests.service.keyholders import new_key

LEASE_MS = 1000
INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
PROGRESS = Progress(stage="denoise", step=3, steps=20, fraction=0.2, eta_s=4.5)
NO_PERSON = JobError.of(ErrorCode.NO_PERSON, "nobody in 40 frames", stage="prepare")


class Clock:
    """Milliseconds that pass when told to."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(redis_url: str, clock: Clock) -> Jobs:
    return Jobs(Redis.from_url(redis_url, decode_responses=True), clock)


def created(jobs: Jobs, job_id: str = "a") -> JobRecord:
    """A new job that waits to be prepared."""
    return jobs.run(calls.create(job_id, JobParams(seed=7), INPUTS)).record


def taken(jobs: Jobs, queue: Queue = Queue.PREPARE, worker: str = "w1") -> JobRecord:
    """The job `a`, taken by a worker."""
    record = jobs.run(calls.take("a", queue, worker, LEASE_MS))
    assert record is not None
    return record


def state(jobs: Jobs, job_id: str = "a") -> JobRecord:
    """The job as it stands."""
    placed = jobs.run(calls.read(job_id))
    assert placed is not None
    return placed.record


def test_a_new_job_waits_with_what_it_was_given(jobs: Jobs, clock: Clock) -> None:
    record = created(jobs)
    assert record.state is JobState.QUEUED
    assert record.queue is Queue.PREPARE
    assert record.params == JobParams(seed=7)
    assert record.inputs == INPUTS
    assert record.created_ms == clock.now_ms
    assert state(jobs) == record


def test_creating_again_changes_nothing(jobs: Jobs) -> None:
    first = created(jobs)
    taken(jobs)
    again = jobs.run(calls.create("a", JobParams(seed=8), INPUTS))
    assert again.record.params == first.params
    assert (again.record.state, again.position) == (JobState.PREPARING, None)


def test_positions_follow_the_order_of_creation(jobs: Jobs, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 1
    taken(jobs)
    placed = [jobs.run(calls.read(job_id)) for job_id in ("a", "b", "c")]
    assert [place.position for place in placed if place] == [None, 0, 1]
    assert jobs.run(calls.read("nobody")) is None


def listed(jobs: Jobs, *arguments: Any, **filters: Any) -> list[str]:
    """Ids on a page."""
    return [record.id for record in jobs.run(calls.recent(*arguments, **filters))]


def test_the_list_is_newest_first_and_pages_go_on_where_the_last_ended(
    jobs: Jobs, clock: Clock
) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 1
    assert listed(jobs, 2) == ["c", "b"]
    behind_b = calls.Cursor(clock.now_ms - 2, "b")
    assert listed(jobs, 2, behind_b) == ["a"]
    jobs.run(calls.cancel("b"))
    jobs.run(calls.erase("b"))
    assert listed(jobs, 2, behind_b) == ["a"]


def test_jobs_of_one_moment_are_listed_once_each(jobs: Jobs, clock: Clock) -> None:
    names = [f"j{number}" for number in range(7)]
    for name in names:
        created(jobs, name)
    seen: list[str] = []
    after = None
    while page := listed(jobs, 3, after):
        seen += page
        after = calls.Cursor(clock.now_ms, page[-1])
    assert seen == names[::-1]


def test_the_list_is_filtered_by_caller_state_and_time(jobs: Jobs, clock: Clock) -> None:
    for job_id in ("a", "b", "c"):
        created(jobs, job_id)
        clock.now_ms += 10
    jobs.run(calls.create("x", JobParams(), INPUTS, caller="other"))
    jobs.run(calls.cancel("b"))
    taken(jobs)
    assert listed(jobs, 9, states=[JobState.QUEUED]) == ["c"]
    assert listed(jobs, 9, states=[JobState.PREPARING, JobState.CANCELED]) == ["b", "a"]
    assert listed(jobs, 9, since_ms=clock.now_ms - 20) == ["c", "b"]
    assert listed(jobs, 9, until_ms=clock.now_ms - 20) == ["a"]
    assert listed(jobs, 9, caller="other") == ["x"]
    assert listed(jobs, 9, calls.Cursor(10**15 - 1, "0"), until_ms=clock.now_ms - 20) == ["a"]


def test_time_is_accounted_for(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    clock.now_ms += 100
    token = taken(jobs).token
    clock.now_ms += 20
    seconds = {"prepare": 0.02}
    jobs.run(calls.hand_over("a", token, Queue.RENDER, "jobs/a/p", [], seconds))
    clock.now_ms += 5
    token = taken(jobs, Queue.RENDER).token
    clock.now_ms += 700
    jobs.run(calls.succeed("a", token, {}, [], {**seconds, "denoise": 0.7}))
    ended = state(jobs)
    assert (ended.waited_ms, ended.prepare_ms, ended.render_ms) == (105, 20, 700)
    assert ended.seconds == {"prepare": 0.02, "denoise": 0.7}
    assert ended.taken_ms is None


def test_past_jobs_tell_how_long_one_takes_and_how_far_that_was_off(
    jobs: Jobs, clock: Clock
) -> None:
    def run(job_id: str, frames: int, took_ms: int) -> calls.Placed | None:
        inputs = INPUTS.model_copy(update={"frames": frames})
        jobs.run(calls.create(job_id, JobParams(num_inference_steps=10), inputs))
        before = jobs.run(calls.read(job_id))
        record = jobs.run(calls.take(job_id, Queue.PREPARE, "w", 10**6))
        assert record is not None
        clock.now_ms += took_ms
        jobs.run(calls.succeed(job_id, record.token, {}, []))
        return before

    first, second, third = run("a", 10, 1000), run("b", 20, 1000), run("c", 10, 500)
    assert first is not None and first.forecast is None
    assert second is not None and second.forecast == calls.Forecast(
        2.0, 1.0, None, 0, calls.Crowd(0, 0, 0)
    )
    # 2 s were expected and 1 s was taken; 300 units took 2 s in all.
    assert third is not None and third.forecast is not None
    assert third.forecast.own_s == pytest.approx(2 / 3, abs=0.01)
    assert (third.forecast.error, third.forecast.estimates) == (1.0, 1)


def test_an_ended_job_expires_and_a_live_one_never_does(jobs: Jobs, clock: Clock) -> None:
    options = JobOptions(ttl_s=60)
    for job_id in ("a", "b"):
        jobs.run(calls.create(job_id, JobParams(), INPUTS, options=options))
    taken(jobs)
    jobs.run(calls.cancel("b"))
    clock.now_ms += 59_999
    assert jobs.run(calls.expired()) == []
    clock.now_ms += 10**9
    assert jobs.run(calls.expired()) == ["b"]
    assert jobs.run(calls.erase("a")) is JobState.PREPARING
    assert jobs.run(calls.erase("b")) is JobState.CANCELED
    assert jobs.run(calls.erase("b")) is None
    assert jobs.run(calls.expired()) == []
    assert [record.id for record in jobs.run(calls.recent(9))] == ["a"]


def test_a_key_belongs_to_one_request_of_one_caller(jobs: Jobs, clock: Clock) -> None:
    def claim(fingerprint: str, caller: str = "me") -> requests.Claimed:
        return jobs.run(requests.claim(caller, "k", fingerprint, "me-1", 1000))

    assert claim("f").claim is Claim.NEW
    assert claim("f").claim is Claim.PENDING
    assert claim("g").claim is Claim.OTHER
    assert claim("g", "you").claim is Claim.NEW
    jobs.run(requests.unclaim("me", "k", "another"))
    assert claim("f").claim is Claim.PENDING
    jobs.run(requests.unclaim("me", "k", "me-1"))
    assert claim("g").claim is Claim.NEW
    kept: dict[str, Any] = {"idempotency_key": "k", "caller": "me", "keep_key_ms": 60_000}
    jobs.run(calls.create("a", JobParams(), INPUTS, **kept))
    jobs.run(requests.unclaim("me", "k", "me-1"))
    assert claim("g") == requests.Claimed(Claim.JOB, "a")


def test_an_upload_is_known_until_its_time_is_over(jobs: Jobs, clock: Clock) -> None:
    upload = Upload(id="u", caller="me", max_bytes=10)
    jobs.run(requests.note_upload(upload, 1000))
    assert jobs.run(requests.read_uploads(["u", "v"])) == [upload, None]
    clock.now_ms += 1000
    assert jobs.run(requests.read_uploads(["u"])) == [None]
    assert jobs.run(requests.ended_uploads()) == ["u"]
    jobs.run(requests.forget_upload("u"))
    assert jobs.run(requests.ended_uploads()) == []


def test_only_one_worker_takes_a_job(jobs: Jobs) -> None:
    created(jobs)
    record = taken(jobs)
    assert (record.state, record.token, record.attempts) == (JobState.PREPARING, 1, 1)
    assert record.worker == "w1"
    assert record.progress == Progress(stage="prepare", step=0, steps=0, fraction=0.0)
    assert jobs.run(calls.take("a", Queue.PREPARE, "w2", LEASE_MS)) is None
    assert jobs.run(calls.take("a", Queue.RENDER, "w2", LEASE_MS)) is None
    assert jobs.run(calls.take("nobody", Queue.PREPARE, "w2", LEASE_MS)) is None


def test_progress_is_written_under_the_lease(jobs: Jobs) -> None:
    created(jobs)
    token = taken(jobs).token
    assert jobs.run(calls.renew("a", token, LEASE_MS, PROGRESS)) is Hold.HELD
    assert state(jobs).progress == PROGRESS


def test_a_job_goes_through_both_queues_to_its_outputs(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    first = taken(jobs)
    held = jobs.run(calls.hand_over("a", first.token, Queue.RENDER, "jobs/a/p", ["two people"]))
    waiting = state(jobs)
    assert held is Hold.HELD
    assert (waiting.state, waiting.queue, waiting.attempts) == (JobState.QUEUED, Queue.RENDER, 0)
    second = taken(jobs, Queue.RENDER)
    assert (second.state, second.token, second.prepared) == (JobState.RUNNING, 2, "jobs/a/p")
    clock.now_ms += 500
    outputs = {Output.RESULT: "jobs/a/result.mp4"}
    assert jobs.run(calls.succeed("a", second.token, outputs, ["two people"])) is Hold.HELD
    ended = state(jobs)
    assert (ended.state, ended.outputs) == (JobState.SUCCEEDED, outputs)
    assert ended.warnings == ["two people"]
    assert ended.ended_ms == clock.now_ms
    assert ended.worker is None


def test_every_write_with_an_old_token_is_refused(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    old = taken(jobs).token
    clock.now_ms += LEASE_MS
    assert jobs.run(calls.take_back(3)) == [("a", Queue.PREPARE)]
    before = state(jobs)
    writes = [
        calls.renew("a", old, LEASE_MS, PROGRESS),
        calls.hand_over("a", old, Queue.RENDER, "jobs/a/p", []),
        calls.succeed("a", old, {Output.RESULT: "jobs/a/late.mp4"}, []),
        calls.fail("a", old, NO_PERSON),
        calls.end_canceled("a", old),
        calls.release("a", old),
    ]
    assert [jobs.run(write) for write in writes] == [Hold.LOST] * len(writes)
    assert state(jobs) == before
    assert taken(jobs).token > old
    assert [jobs.run(write) for write in writes] == [Hold.LOST] * len(writes)


def test_a_renewed_lease_is_not_taken_back(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    token = taken(jobs).token
    clock.now_ms += LEASE_MS - 1
    jobs.run(calls.renew("a", token, LEASE_MS))
    clock.now_ms += LEASE_MS - 1
    assert jobs.run(calls.take_back(3)) == []
    assert state(jobs).state is JobState.PREPARING


def test_a_job_that_loses_three_workers_fails_and_names_the_stage(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    for _ in range(3):
        taken(jobs)
        clock.now_ms += LEASE_MS
        jobs.run(calls.take_back(3))
    ended = state(jobs)
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.stage) == (ErrorCode.WORKER_LOST, "prepare")
    assert jobs.run(calls.take("a", Queue.PREPARE, "w", LEASE_MS)) is None


def test_a_released_job_waits_in_its_old_place_and_the_attempt_does_not_count(
    jobs: Jobs, clock: Clock
) -> None:
    created(jobs)
    token = taken(jobs).token
    clock.now_ms += 1
    created(jobs, "b")
    assert jobs.run(calls.release("a", token)) is Hold.HELD
    placed = jobs.run(calls.read("a"))
    assert placed is not None
    assert (placed.position, placed.record.attempts) == (0, 0)


def test_a_waiting_job_is_canceled_at_once(jobs: Jobs) -> None:
    created(jobs)
    for _ in range(2):
        record = jobs.run(calls.cancel("a"))
        assert record is not None
        assert record.state is JobState.CANCELED
    assert jobs.run(calls.take("a", Queue.PREPARE, "w", LEASE_MS)) is None
    assert jobs.run(calls.cancel("nobody")) is None


@pytest.mark.parametrize("ending", ["succeed", "fail", "hand_over", "release", "lost", "stop"])
def test_an_accepted_cancel_wins_over_whatever_the_worker_does(
    jobs: Jobs, clock: Clock, ending: str
) -> None:
    created(jobs)
    token = taken(jobs).token
    asked = jobs.run(calls.cancel("a"))
    assert asked is not None
    assert (asked.state, asked.cancel_requested) == (JobState.PREPARING, True)
    assert jobs.run(calls.renew("a", token, LEASE_MS)) is Hold.CANCEL
    endings: dict[str, Call[Any]] = {
        "succeed": calls.succeed("a", token, {}, []),
        "fail": calls.fail("a", token, NO_PERSON),
        "hand_over": calls.hand_over("a", token, Queue.RENDER, "jobs/a/p", []),
        "release": calls.release("a", token),
        "stop": calls.end_canceled("a", token),
        "lost": calls.take_back(3),
    }
    clock.now_ms += LEASE_MS
    jobs.run(endings[ending])
    ended = state(jobs)
    assert (ended.state, ended.outputs, ended.error) == (JobState.CANCELED, {}, None)


def test_an_ended_job_never_changes(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    token = taken(jobs).token
    jobs.run(calls.fail("a", token, NO_PERSON))
    ended = state(jobs)
    clock.now_ms += 10 * LEASE_MS
    jobs.run(calls.cancel("a"))
    jobs.run(calls.take_back(3))
    jobs.run(calls.succeed("a", token, {}, []))
    assert state(jobs) == ended
    assert ended.error == NO_PERSON


def test_a_hint_is_sent_again_only_when_none_is_queued(jobs: Jobs, clock: Clock) -> None:
    created(jobs)
    unhinted = calls.unhinted(Queue.PREPARE, age_ms=3000)
    assert jobs.run(unhinted) == []
    clock.now_ms += 3000
    jobs.redis.lpush(Queue.PREPARE.task, "a hint")
    assert jobs.run(unhinted) == []
    jobs.redis.delete(Queue.PREPARE.task)
    assert jobs.run(unhinted) == ["a"]
    assert jobs.run(unhinted) == []


def test_a_worker_is_forgotten_when_it_falls_silent(jobs: Jobs, clock: Clock) -> None:
    info = WorkerInfo(id="w1", queues=(Queue.RENDER,), preset="mini", ready=True)
    jobs.run(calls.beat(info, ttl_ms=100))
    assert jobs.run(calls.workers()) == [info]
    clock.now_ms += 101
    assert jobs.run(calls.workers()) == []
    jobs.run(calls.beat(info, ttl_ms=100))
    jobs.run(calls.leave("w1"))
    assert jobs.run(calls.workers()) == []


def test_a_role_has_one_holder(jobs: Jobs) -> None:
    assert jobs.run(calls.preside("reconciler", "w1", 60_000))
    assert jobs.run(calls.preside("reconciler", "w1", 60_000))
    assert not jobs.run(calls.preside("reconciler", "w2", 60_000))


def test_without_a_clock_the_servers_time_counts(redis_url: str) -> None:
    jobs = Jobs.connect(redis_url)
    record = created(jobs)
    jobs.close()
    assert abs(record.created_ms - clock_ms()) < 60_000


def test_the_gateway_awaits_the_same_calls(redis_url: str, jobs: Jobs) -> None:
    record = created(jobs)

    async def read() -> calls.Placed | None:
        store = AsyncJobs.connect(redis_url)
        try:
            return await store.run(calls.read("a"))
        finally:
            await store.close()

    placed = asyncio.run(read())
    assert placed is not None
    assert (placed.record, placed.position) == (record, 0)


def test_a_server_that_is_gone_is_unavailable(unused_url: str) -> None:
    jobs = Jobs.connect(unused_url)
    with pytest.raises(Unavailable, match="job store"):
        jobs.run(calls.read("a"))


def test_the_scripts_know_every_transition() -> None:
    texts = scripts()
    assert set(texts) >= {"create", "take", "renew", "finish", "cancel", "take_back"}
    for source, targets in TRANSITIONS.items():
        row = ", ".join(f"{target} = true" for target in sorted(targets))
        assert f"{source} = {{{row}}}" in texts["take"]


def test_the_server_agrees_that_reading_scripts_write_nothing(jobs: Jobs) -> None:
    created(jobs)
    jobs.run(requests.note_upload(Upload(id="u", caller="me", max_bytes=9), 60_000))
    key_id = id_of(new_key(jobs, "me")) or ""
    reading: list[Call[Any]] = [
        calls.read("a"),
        calls.recent(5),
        requests.read_uploads(["u"]),
        events.events("a", 0),
        counts.snapshot(),
        calls.waiting_hints([Queue.RENDER]),
        keys.read_key(key_id),
        keys.list_keys(),
        keys.any_key(),
        keys.room_for_a_job("me", CallerLimits(queued_jobs=1)),
    ]
    jobs.redis.lpush(Queue.RENDER.task, "a hint")
    assert {call.script for call in reading} == READING
    for call in reading:
        text = scripts()[call.script]
        assert jobs.redis.eval_ro(text, 1, "tcan:", "", *map(str, call.arguments))


def test_only_the_three_endings_are_terminal() -> None:
    terminal = {state for state in JobState if state.is_terminal}
    assert terminal == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED}
    assert {state for state in JobState if state.is_leased} == {queue.state for queue in Queue}


def clock_ms() -> int:
    """Now, by this machine."""
    return int(time.time() * 1000)


KEPT = Checkpoint(key="jobs/a/2/checkpoints/3/s.safetensors", model="m", progress=PROGRESS)


def rendering(jobs: Jobs) -> JobRecord:
    """The job `a`, prepared and taken to be rendered."""
    created(jobs)
    token = taken(jobs).token
    jobs.run(calls.hand_over("a", token, Queue.RENDER, "jobs/a/p", []))
    return taken(jobs, Queue.RENDER)


def test_a_checkpoint_is_kept_until_the_job_ends(jobs: Jobs, clock: Clock) -> None:
    token = rendering(jobs).token
    late = PROGRESS.model_copy(update={"step": 5})
    assert jobs.run(calls.keep_checkpoint("a", token, KEPT)) is Hold.HELD
    jobs.run(calls.renew("a", token, LEASE_MS, late))
    clock.now_ms += LEASE_MS
    jobs.run(calls.take_back(3))
    assert state(jobs).checkpoint == KEPT
    again = taken(jobs, Queue.RENDER)
    assert (again.progress, again.resumes, again.checkpoint) == (PROGRESS, 1, KEPT)
    counted = jobs.run(counts.snapshot()).counters
    assert (counted["resumed",], counted["steps_repeated",]) == (1, 2)
    jobs.run(calls.succeed("a", again.token, {}, []))
    assert state(jobs).checkpoint is None


def test_a_checkpoint_of_an_old_token_is_refused(jobs: Jobs, clock: Clock) -> None:
    token = rendering(jobs).token
    clock.now_ms += LEASE_MS
    jobs.run(calls.take_back(3))
    assert jobs.run(calls.keep_checkpoint("a", token, KEPT)) is Hold.LOST
    taken(jobs, Queue.RENDER)
    assert jobs.run(calls.keep_checkpoint("a", token, KEPT)) is Hold.LOST
    assert state(jobs).checkpoint is None


@pytest.mark.parametrize("ending", ["succeed", "fail", "hand_over", "release"])
def test_an_end_whose_reply_was_lost_may_be_written_again(jobs: Jobs, ending: str) -> None:
    token = rendering(jobs).token
    write: Call[Hold] = {
        "succeed": calls.succeed("a", token, {Output.RESULT: "jobs/a/r"}, []),
        "fail": calls.fail("a", token, NO_PERSON),
        "hand_over": calls.hand_over("a", token, Queue.RENDER, "jobs/a/p", []),
        "release": calls.release("a", token),
    }[ending]
    assert jobs.run(write) is Hold.HELD
    after = state(jobs)
    assert jobs.run(write) is Hold.HELD
    assert state(jobs) == after
    others = [calls.end_canceled("a", token), calls.renew("a", token, LEASE_MS)]
    assert [jobs.run(other) for other in others] == [Hold.LOST, Hold.LOST]


def test_leases_that_could_not_be_renewed_are_not_lost(jobs: Jobs, clock: Clock) -> None:
    token = rendering(jobs).token
    jobs.run(calls.take_back(3))
    clock.now_ms += calls.SILENCE_MS + LEASE_MS
    assert jobs.run(calls.take_back(3, grace_ms=LEASE_MS)) == []
    assert jobs.run(calls.renew("a", token, LEASE_MS)) is Hold.HELD
    clock.now_ms += LEASE_MS
    assert jobs.run(calls.take_back(3, grace_ms=LEASE_MS)) == [("a", Queue.RENDER)]


def late(jobs: Jobs, **deadlines: int) -> None:
    """The job `a` with deadlines."""
    jobs.run(calls.create("a", JobParams(), INPUTS, options=JobOptions(**deadlines)))


def test_a_job_that_no_worker_takes_in_time_fails(jobs: Jobs, clock: Clock) -> None:
    late(jobs, start_deadline_s=5)
    clock.now_ms += 4999
    assert jobs.run(calls.expire()) == []
    clock.now_ms += 1
    assert jobs.run(calls.expire()) == ["a"]
    ended = state(jobs)
    assert (ended.state, ended.error and ended.error.code) == ("failed", ErrorCode.START_DEADLINE)
    assert ended.error is not None and "within the 5 s" in ended.error.detail
    assert jobs.run(calls.take_next(Queue.PREPARE, "w", LEASE_MS)) is None


def test_a_job_that_began_in_time_has_met_its_start_deadline(jobs: Jobs, clock: Clock) -> None:
    late(jobs, start_deadline_s=5)
    token = taken(jobs).token
    clock.now_ms += 10_000
    jobs.run(calls.release("a", token))
    assert jobs.run(calls.expire()) == []


@pytest.mark.parametrize("queued", [True, False])
def test_a_job_that_does_not_end_in_time_fails_and_its_worker_is_told(
    jobs: Jobs, clock: Clock, queued: bool
) -> None:
    late(jobs, start_deadline_s=5, run_deadline_s=30)
    token = taken(jobs).token
    if queued:
        jobs.run(calls.hand_over("a", token, Queue.RENDER, "jobs/a/p", []))
    clock.now_ms += 30_000
    assert jobs.run(calls.expire()) == ["a"]
    ended = state(jobs)
    assert ended.error is not None
    assert (ended.state, ended.error.code) == ("failed", ErrorCode.RUN_DEADLINE)
    assert jobs.run(calls.renew("a", token, LEASE_MS)) is Hold.LOST
    assert jobs.run(calls.expire()) == []


def test_a_job_that_ended_has_no_deadlines(jobs: Jobs, clock: Clock) -> None:
    late(jobs, run_deadline_s=1)
    jobs.run(calls.fail("a", taken(jobs).token, NO_PERSON))
    clock.now_ms += 10_000
    assert jobs.run(calls.expire()) == []
