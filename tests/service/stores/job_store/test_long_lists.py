"""Lists of many jobs are read by short scripts, and lists of all callers from sets of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.jobs import long_reads
from service.jobs.long_reads import full_page, stored
from service.maintenance.job_indexer import JobIndexer
from service.stores.job_store import commands
from service.stores.job_store.commands import EVERYONE, Command, Cursor, JobPage
from service.stores.job_store.store import AsyncJobStore, JobStore
from tests.service.stores.job_store.records import INPUTS, Clock

CALLERS = ("ann", "bob", "cem")
# Of every twelve jobs one has both.
SHOW, SHOT = "show=harbor", "shot=1"


@pytest.fixture
def made(jobs: JobStore, clock: Clock) -> list[str]:
    """Return the ids of 60 jobs in the order of lists, some of the same millisecond."""
    for number in range(60):
        metadata = {"show": "harbor" if number % 3 else "city", "shot": str(number % 4)}
        jobs.run(
            commands.create(
                f"{number:032x}",
                JobParams(),
                INPUTS.model_copy(update={"size_bytes": number}),
                caller=CALLERS[number % len(CALLERS)],
                options=JobOptions(metadata=metadata),
            )
        )
        clock.now_ms += number % 2
    return [f"{number:032x}" for number in reversed(range(60))]


def few_rows(limit: int, after: Cursor | None, **filters: object) -> Command[JobPage]:
    """Return the command of a page whose script reads three rows."""
    command = commands.recent(limit, after, **filters)  # type: ignore[arg-type]
    return Command(command.script, {**command.arguments, "max_rows": 3}, command.parse)


def all_pages(jobs: JobStore, limit: int, **filters: object) -> list[str]:
    """Return the ids on all pages."""
    ids, page = [], jobs.run(few_rows(limit, None, **filters))
    while page.following is not None:
        assert len(page.jobs) <= limit
        ids += [job.record.id for job in page.jobs]
        page = jobs.run(few_rows(limit, page.following, **filters))
    return ids + [job.record.id for job in page.jobs]


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("metadata", [(), (SHOW,), (SHOW, SHOT), (SHOT, SHOW), ("shot=9", SHOW)])
def test_pages_of_few_rows_list_each_match_once(
    jobs: JobStore, made: list[str], metadata: Sequence[str], limit: int
) -> None:
    for job_id in made[::5]:
        jobs.run(commands.cancel(job_id))

    def is_match(job_id: str) -> bool:
        number = int(job_id, 16)
        pairs = {SHOW: number % 3 != 0, SHOT: number % 4 == 1, "shot=9": False}
        return all(pairs[pair] for pair in metadata)

    matches = [job_id for job_id in made if is_match(job_id)]
    assert all_pages(jobs, limit, caller=EVERYONE, metadata=metadata) == matches
    states = [JobState.QUEUED, JobState.CANCELED, JobState.FAILED]
    assert all_pages(jobs, limit, caller=EVERYONE, metadata=metadata, states=states) == matches
    canceled = [job_id for job_id in matches if job_id in made[::5]]
    assert all_pages(jobs, limit, caller=EVERYONE, metadata=metadata, states=states[1:]) == canceled
    of_bob = [job_id for job_id in matches if int(job_id, 16) % 3 == 1]
    assert all_pages(jobs, limit, caller="bob", metadata=metadata) == of_bob


def test_search_goes_on_until_the_page_is_full(
    redis_url: str, jobs: JobStore, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(limit: int, after: Cursor | None) -> Command[JobPage]:
        return few_rows(limit, after, caller=EVERYONE, metadata=[SHOW, SHOT])

    async def page(after: Cursor | None = None) -> JobPage:
        store = AsyncJobStore.connect(redis_url)
        try:
            return await full_page(store, find, 4, after)
        finally:
            await store.close()

    matches = [job_id for job_id in made if int(job_id, 16) % 12 in (1, 5)]
    first = asyncio.run(page())
    assert [job.record.id for job in first.jobs] == matches[:4]
    monkeypatch.setattr(long_reads, "MAX_SCRIPTS", 1)
    rest: list[str] = []
    while first.following is not None:
        first = asyncio.run(page(first.following))
        assert len(first.jobs) < 4
        rest += [job.record.id for job in first.jobs]
    assert rest == matches[4:]


def test_usage_adds_up_batches_of_jobs(
    redis_url: str, jobs: JobStore, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def input_bytes(caller: str) -> int:
        store = AsyncJobStore.connect(redis_url)
        try:
            return (await stored(store, caller)).input_bytes
        finally:
            await store.close()

    expected = sum(int(job_id, 16) for job_id in made if int(job_id, 16) % 3 == 2)
    for batch in (1000, 20, 19, 7):
        monkeypatch.setattr(long_reads, "BATCH", batch)
        assert asyncio.run(input_bytes("cem")) == expected
    assert asyncio.run(input_bytes("nobody")) == 0


def test_erased_jobs_are_in_no_list(jobs: JobStore, made: list[str]) -> None:
    for job_id in made:
        jobs.run(commands.cancel(job_id))
        jobs.run(commands.erase(job_id))
    assert jobs.redis.keys("tcan:jobs:*") == []


def test_jobs_of_a_release_without_the_lists_are_added(jobs: JobStore, made: list[str]) -> None:
    for key in jobs.redis.scan_iter(r"tcan:jobs:\**"):
        jobs.redis.delete(key)
    # As a worker of that release leaves a job that this one has created.
    jobs.redis.zadd("tcan:jobs:*:queued", {made[0]: 1, "erased": 1})
    jobs.redis.zadd("tcan:jobs:*", {"erased": 1})
    jobs.run(commands.cancel(made[1]))
    assert listed(jobs) == []
    index(jobs)
    assert listed(jobs) == made
    assert listed(jobs, states=[JobState.QUEUED]) == [made[0], *made[2:]]
    assert listed(jobs, metadata=[SHOW, SHOT]) == [
        job_id for job_id in made if int(job_id, 16) % 12 in (1, 5)
    ]
    assert jobs.redis.zscore("tcan:jobs:*", "erased") is None
    assert jobs.redis.zcard("tcan:jobs:*:queued") == len(made) - 1


def test_change_by_a_release_without_the_lists_is_not_listed_as_before(
    jobs: JobStore, made: list[str]
) -> None:
    jobs.redis.hset(f"tcan:job:{made[3]}", "state", "failed")
    queued = listed(jobs, states=[JobState.QUEUED])
    assert (made[3] in queued, len(queued)) == (False, len(made) - 1)
    created_ms = jobs.redis.zscore("tcan:jobs:*", made[3])
    assert created_ms is not None
    jobs.redis.zadd("tcan:jobs:*:failed", {made[3]: created_ms})
    assert listed(jobs, states=[JobState.QUEUED, JobState.FAILED]) == made
    index(jobs)
    assert listed(jobs, states=[JobState.FAILED]) == [made[3]]
    assert jobs.redis.zcard("tcan:jobs:*:queued") == len(made) - 1


def listed(jobs: JobStore, **filters: object) -> list[str]:
    """Return the ids in a list of all callers."""
    page = jobs.run(commands.recent(100, caller=EVERYONE, **filters))  # type: ignore[arg-type]
    return [job.record.id for job in page.jobs]


def index(jobs: JobStore) -> None:
    """Index all jobs."""
    indexer = JobIndexer()
    while indexer.index(jobs):
        pass
