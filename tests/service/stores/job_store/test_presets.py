"""Jobs that name a preset: claims, wake-up messages and estimates."""

from __future__ import annotations

from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, counts, presence
from service.stores.job_store.hints import HintSender, message
from service.stores.job_store.store import JobStore
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
    for name, preset in (("w1", "mini"), ("w2", "sd15"), ("w3", "sd15")):
        info = WorkerInfo(id=name, queues=tuple(Queue), preset=preset, contract=3, ready=True)
        jobs.run(presence.heartbeat(info, 10_000))
    # An ended job, the basis of estimates.
    jobs.run(commands.succeed("a", rendering(jobs).token, {}, []))
    presets = {"any": None, "b": "mini", "c": "sd15", "d": "sd15", "e": "gone"}
    workers = {}
    for job_id, wanted in presets.items():
        submit(jobs, job_id, wanted)
        snapshot = jobs.run(commands.read(job_id))
        assert snapshot is not None and snapshot.forecast is not None
        assert snapshot.forecast.queue_context is not None
        workers[job_id] = snapshot.forecast.queue_context.workers
    assert workers == {"any": 3, "b": 1, "c": 2, "d": 2, "e": 0}
    jobs.run(commands.cancel("c"))
    jobs.run(presence.deregister("w3"))
    depth = jobs.run(counts.service_stats()).queues[PREPARE]
    assert (depth.waiting, depth.by_preset) == (4, {"mini": 1, "sd15": 1, "gone": 1})
    snapshot = jobs.run(commands.read("d"))
    assert snapshot is not None and snapshot.forecast is not None
    assert snapshot.forecast.queue_context is not None
    assert snapshot.forecast.queue_context.workers == 1
