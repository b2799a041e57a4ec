"""The work of a script does not grow with the queue; what is left is done by the next ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from redis import Redis

from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.version import CONTRACT
from service.contract.webhooks import Webhook
from service.maintenance.reconciler import Reconciler
from service.stores.job_store import commands, counts, deliveries, order, presence, retention
from service.stores.job_store.commands import Command
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import JobStore
from tests.service.stores.job_store.records import INPUTS, LEASE_MS, Clock, state

T = TypeVar("T")

PREPARE = Queue.PREPARE
MANY = 300
# Of one script: passing 100 jobs takes about 800 commands.
MAX_COMMANDS = 1200
UNITS = 20  # of a job of one frame


def make(
    jobs: JobStore,
    many: int,
    *,
    params: JobParams | None = None,
    options: JobOptions | None = None,
    contract: int = 1,
    callers: int = 1,
) -> None:
    """Create jobs `0`, `1`, ... of the callers in turn."""
    for n in range(many):
        made = commands.create(
            str(n), params or JobParams(), INPUTS, options=options, contract=contract,
            caller=f"c{n % callers}",
        )  # fmt: skip
        jobs.run(made)


def count_commands(redis: Redis, act: Callable[[], T]) -> tuple[T, int]:
    """Return the result and how many commands the server ran, those of scripts included."""
    redis.config_resetstat()
    result = act()
    stats = redis.info("commandstats")
    return result, sum(entry["calls"] for entry in stats.values())


def keep_at_it(jobs: JobStore) -> int:
    """Do steps of maintenance until nothing is left; return their number."""
    keeper, steps = Reconciler(jobs, HintSender(jobs), "w", max_attempts=3, hint_age_ms=5000), 1
    while keeper.act():
        steps += 1
    return steps


def lease_all(jobs: JobStore, many: int) -> Command[Any]:
    """Create and claim jobs; return the command that reclaims those with expired leases."""
    make(jobs, many)
    for n in range(many):
        jobs.run(commands.claim(str(n), PREPARE, "w", LEASE_MS))
    reclaim = commands.reclaim_expired(3)
    assert jobs.run(reclaim) == []
    return reclaim


def turns(jobs: JobStore, job_ids: list[str]) -> list[int]:
    """Return the virtual starts of waiting jobs, which the record and each set agree on."""
    found = []
    for job_id in job_ids:
        start = int(jobs.redis.hget("tcan:job:" + job_id, "turn") or 0)
        for key in ("waiting:prepare", "waiting:prepare:lane:1:", "turns:normal:c0"):
            assert jobs.redis.zscore(f"tcan:{key}", job_id) == start
        found.append(start)
    return found


def test_cancels_of_a_long_queue_are_refunded_in_steps(jobs: JobStore) -> None:
    make(jobs, MANY)
    first = turns(jobs, ["0"])[0]
    ended = ["0", "7", str(MANY - 2)]
    for job_id in ended:
        _, spent = count_commands(jobs.redis, lambda j=job_id: jobs.run(commands.cancel(j)))  # type: ignore[misc]
        assert spent < 100
    left, between = 1, ["3", "150"]
    while left:
        left, spent = count_commands(jobs.redis, lambda: jobs.run(order.close_gaps()))
        assert spent < MAX_COMMANDS
        if between:
            ended.append(between.pop())
            jobs.run(commands.cancel(ended[-1]))
            left = 1
    waiting = [str(n) for n in range(MANY) if str(n) not in ended]
    assert turns(jobs, waiting) == [first + UNITS * n for n in range(len(waiting))]
    jobs.run(commands.create("last", JobParams(), INPUTS, caller="c0"))
    assert turns(jobs, ["last"]) == [first + UNITS * len(waiting)]
    assert not jobs.redis.keys("tcan:gaps*")


def test_reconciler_ends_all_jobs_past_their_deadline_in_steps(
    jobs: JobStore, clock: Clock
) -> None:
    make(jobs, MANY, options=JobOptions(start_deadline_s=1))
    jobs.run(commands.create("late", JobParams(), INPUTS, caller="c0"))
    clock.now_ms += 2000
    ended, spent = count_commands(jobs.redis, lambda: jobs.run(commands.expire_deadlines()))
    assert len(ended) == 25 and spent < 2 * MAX_COMMANDS
    keep_at_it(jobs)
    assert jobs.run(commands.expire_deadlines()) == []
    assert jobs.redis.zrange("tcan:waiting:prepare", 0, -1) == ["late"]
    assert not jobs.redis.keys("tcan:gaps*")


def test_lost_leases_are_reclaimed_in_steps(jobs: JobStore, clock: Clock) -> None:
    reclaim = lease_all(jobs, 60)
    clock.now_ms += 2 * LEASE_MS
    assert [len(jobs.run(reclaim)) for _ in range(4)] == [25, 25, 10, 0]


def test_leases_after_an_outage_are_all_extended(jobs: JobStore, clock: Clock) -> None:
    reclaim = lease_all(jobs, 60)
    clock.now_ms += 60_000
    assert [jobs.run(reclaim) for _ in range(3)] == [[], [], []]
    assert jobs.redis.zcount("tcan:leases", clock.now_ms, "+inf") == 60


def test_events_of_ended_jobs_are_trimmed_in_steps(jobs: JobStore, clock: Clock) -> None:
    """A canceled job keeps two changes of state."""
    make(jobs, 3)
    for n in range(3):
        jobs.run(commands.cancel(str(n)))
    clock.now_ms += 60 * 60 * 1000
    assert [jobs.run(retention.trim_events(3)) for _ in range(3)] == [True, False, False]
    assert not jobs.redis.exists("tcan:untrimmed")


@pytest.mark.parametrize(
    ("contract", "params", "knows"),
    [(CONTRACT, JobParams(), CONTRACT - 1), (3, JobParams(preset="sd15"), CONTRACT)],
)
def test_claim_does_not_pass_jobs_of_other_workers(
    jobs: JobStore, contract: int, params: JobParams, knows: int
) -> None:
    make(jobs, MANY, params=params, contract=contract)
    jobs.run(commands.create("known", JobParams(), INPUTS, caller="c0"))
    claim = commands.claim_next(PREPARE, "w", LEASE_MS, knows, preset="mini")
    record, spent = count_commands(jobs.redis, lambda: jobs.run(claim))
    assert record is not None and record.id == "known"
    assert spent < 120


def test_readers_and_hints_do_not_pass_every_waiting_job(jobs: JobStore) -> None:
    make(jobs, MANY, params=JobParams(preset="sd15"))
    calls: dict[str, tuple[Command[Any], int]] = {
        "read": (commands.read(str(MANY - 1)), 120),
        "metrics": (counts.service_stats(), 60),
        "hints": (presence.jobs_missing_hints(PREPARE, 5000), 150),
    }
    for name, (command, limit) in calls.items():
        _, spent = count_commands(jobs.redis, lambda c=command: jobs.run(c))  # type: ignore[misc]
        assert spent < limit, name


def test_messages_of_new_callers_are_claimed_from_the_newest(jobs: JobStore, clock: Clock) -> None:
    options = JobOptions(webhook=Webhook(url="http://127.0.0.1:9/"))
    make(jobs, 40, options=options, callers=40)
    for n in range(40):
        clock.now_ms += 1
        jobs.run(commands.cancel(str(n)))
    sending = {f"c{n}": 1 for n in range(30, 40)}
    found = jobs.run(deliveries.claim([8] * 4, 60_000, [8, 1, 1, 1], sending))
    assert [each.delivery.job_id for each in found] == [str(n) for n in range(29, 21, -1)]


def test_jobs_of_earlier_release_get_lanes_and_refunds(jobs: JobStore) -> None:
    """That release knows neither lanes nor callers' turns, and claims jobs meanwhile."""
    make(jobs, MANY)
    for key in jobs.redis.keys("tcan:waiting:*lane*") + jobs.redis.keys("tcan:turns:*:*"):
        jobs.redis.delete(key)
    snapshot = jobs.run(commands.read("120"))
    assert snapshot is not None and snapshot.position == 120
    record = jobs.run(commands.claim_next(PREPARE, "w", LEASE_MS))
    assert record is not None and record.id == "0"
    jobs.redis.zrem("tcan:waiting:prepare", "1")  # claimed by a worker of that release
    jobs.redis.zrem("tcan:waiting:prepare:age:normal", "1")
    before = jobs.run(commands.read("9"))
    jobs.run(commands.cancel("5"))
    keep_at_it(jobs)
    after = jobs.run(commands.read("9"))
    assert before is not None and after is not None
    assert (before.position, after.position) == (7, 6)
    last = str(MANY - 1)
    start = int(jobs.redis.hget("tcan:job:0", "turn") or 0)
    assert turns(jobs, ["2", last]) == [start + 2 * UNITS, start + (MANY - 2) * UNITS]
    order_now = [jobs.run(commands.claim_next(PREPARE, "w", LEASE_MS)) for _ in range(4)]
    assert [record and record.id for record in order_now] == ["2", "3", "4", "6"]
    assert not jobs.redis.keys("tcan:gaps*")


@pytest.mark.long
def test_ten_thousand_jobs_of_one_caller_past_their_deadline_end(
    jobs: JobStore, clock: Clock
) -> None:
    """Each script stays small, whichever part of them it ends."""
    make(jobs, 10_000, options=JobOptions(start_deadline_s=1))
    jobs.run(commands.create("late", JobParams(), INPUTS, caller="c0"))
    clock.now_ms += 2000
    for _ in range(3):
        _, spent = count_commands(jobs.redis, lambda: jobs.run(commands.expire_deadlines()))
        assert spent < 2 * MAX_COMMANDS
    assert keep_at_it(jobs) < 600
    assert state(jobs, "9999").state is JobState.FAILED
    assert jobs.redis.zrange("tcan:waiting:prepare", 0, -1) == ["late"]
    assert not jobs.redis.keys("tcan:gaps*")
