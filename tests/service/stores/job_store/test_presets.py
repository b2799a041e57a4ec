"""Jobs that name a preset: claims, wake-up messages and estimates."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, counts, events, presence
from service.stores.job_store.hints import HintSender, message
from service.stores.job_store.store import JobStore
from service.views.eta import estimate
from tests.service.stores.job_store.records import INPUTS, LEASE_MS, Clock, rendering

PREPARE = Queue.PREPARE
BASE, MINI = presence.hint_lists(PREPARE, "mini")


def submit(
    jobs: JobStore, job_id: str, preset: str | None = None, priority: Priority = Priority.NORMAL
) -> None:
    """Create a job with its wake-up message."""
    params, options = JobParams(preset=preset), JobOptions(priority=priority)
    hint = message(job_id, PREPARE)
    jobs.run(commands.create(job_id, params, INPUTS, options=options, hint=hint))


def claim(jobs: JobStore, preset: str, hinted: str) -> str | None:
    """Claim a job after the message of `hinted`, as a worker of a preset does."""
    hint = message(hinted, PREPARE)
    found = jobs.run(
        commands.claim_next(PREPARE, "w", LEASE_MS, preset=preset, hinted=hinted, hint=hint)
    )
    return None if found is None else found.id


def hints(jobs: JobStore) -> tuple[int, int]:
    """Return the numbers of messages for all workers and for those of `mini`."""
    return jobs.redis.llen(BASE), jobs.redis.llen(MINI)


def test_only_workers_of_the_preset_claim_a_job_that_names_it(jobs: JobStore) -> None:
    for n in range(120):
        submit(jobs, f"m{n}", "mini")
    submit(jobs, "any")
    submit(jobs, "urgent", "mini", Priority.HIGH)
    assert claim(jobs, "sd15", "any") == "any"
    assert claim(jobs, "sd15", "any") is None
    assert jobs.run(commands.claim("m0", PREPARE, "w", LEASE_MS)) is None
    assert claim(jobs, "mini", "m0") == "urgent"
    assert claim(jobs, "mini", "m0") == "m0"


def test_each_waiting_job_keeps_a_message_in_its_list(jobs: JobStore) -> None:
    submit(jobs, "any1")
    submit(jobs, "mini1", "mini")
    submit(jobs, "any2")
    assert hints(jobs) == (2, 1)
    jobs.redis.rpop(MINI)  # a worker of mini receives it, and claims the first job of all
    assert claim(jobs, "mini", "mini1") == "any1"
    assert hints(jobs) == (1, 1)
    jobs.redis.rpop(BASE)
    assert claim(jobs, "sd15", "any2") == "any2"
    assert hints(jobs) == (0, 1)
    jobs.redis.rpop(MINI)
    assert claim(jobs, "mini", "mini1") == "mini1"
    assert hints(jobs) == (0, 0)


def test_missing_messages_are_sent_to_the_list_of_the_job(jobs: JobStore) -> None:
    submit(jobs, "mini1", "mini")
    submit(jobs, "any1")
    missing = presence.jobs_missing_hints(PREPARE, 0)
    assert jobs.run(missing) == []
    jobs.redis.delete(MINI)
    assert jobs.run(missing) == ["mini1"]
    HintSender(jobs).send("mini1", PREPARE)
    assert hints(jobs) == (1, 1)
    jobs.redis.delete(BASE)
    assert jobs.run(missing) == ["any1"]
    HintSender(jobs).send("any1", PREPARE)
    assert hints(jobs) == (1, 1)
    assert jobs.run(presence.count_hints([PREPARE], "mini")) == 2
    assert jobs.run(presence.count_hints([PREPARE], "sd15")) == 1


def test_estimate_and_metrics_count_by_preset(jobs: JobStore, clock: Clock) -> None:
    work(jobs, w1="mini", w2="sd15", w3="sd15")
    # An ended job, the basis of estimates.
    jobs.run(commands.succeed("a", rendering(jobs).token, {}, []))
    presets = {"any": None, "b": "mini", "c": "sd15", "d": "sd15", "e": "gone"}
    workers = {}
    for job_id, wanted in presets.items():
        submit(jobs, job_id, wanted)
        workers[job_id] = place(jobs, job_id)[1]
    assert workers == {"any": 3, "b": 1, "c": 2, "d": 2, "e": 0}
    jobs.run(commands.cancel("c"))
    jobs.run(presence.deregister("w3"))
    depth = jobs.run(counts.service_stats()).queues[PREPARE]
    assert (depth.waiting, depth.by_preset) == (4, {"mini": 1, "sd15": 1, "gone": 1})
    assert place(jobs, "d")[1] == 1


def place(jobs: JobStore, job_id: str) -> tuple[int | None, int]:
    """Return a job's position, and the ready workers that are expected to take it."""
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None and snapshot.forecast is not None
    context = snapshot.forecast.queue_context
    assert context is not None
    return snapshot.position, context.workers


def work(jobs: JobStore, **presets: str) -> None:
    """Report ready workers and their presets."""
    for name, preset in presets.items():
        info = WorkerInfo(id=name, queues=tuple(Queue), preset=preset, contract=3, ready=True)
        jobs.run(presence.heartbeat(info, 10_000))


def test_position_counts_jobs_that_workers_of_the_preset_run(jobs: JobStore) -> None:
    jobs.run(commands.succeed("a", rendering(jobs).token, {}, []))
    for job_id, preset in (("s1", "sd15"), ("s2", "sd15"), ("m1", "mini"), ("any1", None)):
        submit(jobs, job_id, preset)
    for job_id, preset in (("m2", "mini"), ("any2", None), ("s3", "sd15")):
        submit(jobs, job_id, preset)
    named = {"s1": 0, "s2": 1, "m1": 0, "m2": 2, "s3": 4}
    assert {job_id: place(jobs, job_id)[0] for job_id in named} == named
    # Without workers every job counts; then those of the preset with the fewest.
    assert [place(jobs, job_id) for job_id in ("any1", "any2")] == [(3, 0), (5, 0)]
    work(jobs, w1="sd15", w2="sd15")
    assert [place(jobs, job_id) for job_id in ("any1", "any2")] == [(2, 2), (3, 2)]
    work(jobs, w3="mini")
    assert [place(jobs, job_id) for job_id in ("any1", "any2")] == [(1, 1), (3, 1)]
    # Workers that no job names take jobs without a preset at once.
    work(jobs, w4="other")
    assert [place(jobs, job_id) for job_id in ("any1", "any2")] == [(0, 1), (1, 1)]
    found = {job.record.id: job.position for job in jobs.run(events.moved({"any2": 9, "m2": 2}))}
    assert found == {"any2": 1}


def test_estimate_leaves_out_jobs_of_other_presets(jobs: JobStore, clock: Clock) -> None:
    record = rendering(jobs)
    clock.now_ms += 10_000
    jobs.run(commands.succeed("a", record.token, {}, []))
    work(jobs, w1="mini", w2="sd15")
    for n in range(4):
        submit(jobs, f"s{n}", "sd15")
    seconds = []
    for job_id, preset in (("m1", "mini"), ("any", None), ("s4", "sd15")):
        submit(jobs, job_id, preset)
        snapshot = jobs.run(commands.read(job_id))
        assert snapshot is not None and snapshot.forecast is not None
        eta = estimate(snapshot)
        assert eta is not None
        seconds.append(eta.seconds / snapshot.forecast.expected_s)
    assert seconds == pytest.approx([1, 2, 6], abs=0.1)


@given(
    asked=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([None, "mini", "sd15"])), max_size=12
    ),
)
@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_workers_of_a_preset_claim_in_the_order_of_positions(
    jobs: JobStore, asked: list[tuple[str, str | None]]
) -> None:
    jobs.redis.flushall()
    work(jobs, w1="mini")
    expected = {}
    for n, (caller, preset) in enumerate(asked):
        jobs.run(commands.create(f"j{n}", JobParams(preset=preset), INPUTS, caller=caller))
    for n, (_, preset) in enumerate(asked):
        snapshot = jobs.run(commands.read(f"j{n}"))
        assert snapshot is not None
        if preset != "sd15":
            expected[snapshot.position] = f"j{n}"
    taken = []
    claim = commands.claim_next
    while (record := jobs.run(claim(PREPARE, "w", LEASE_MS, preset="mini"))) is not None:
        taken.append(record.id)
    assert taken == [expected[position] for position in range(len(expected))]
