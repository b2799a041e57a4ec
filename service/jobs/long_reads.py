"""Reads of many records: several short scripts, between which the store serves others."""

from __future__ import annotations

from typing import Protocol

from service.stores.job_store import keys
from service.stores.job_store.commands import Command, Cursor, JobPage
from service.stores.job_store.keys import CallerStorage
from service.stores.job_store.store import AsyncJobStore

# Scripts that look for the jobs of one page; the next page continues behind them.
MAX_SCRIPTS = 20
# Jobs, and uploads, that a script adds up.
BATCH = 1000


class FindJobs(Protocol):
    """A list of jobs, as a function from limit and cursor to the command of a page."""

    def __call__(self, limit: int, after: Cursor | None) -> Command[JobPage]:
        """Return the command."""


async def full_page(
    jobs: AsyncJobStore, find: FindJobs, limit: int, after: Cursor | None
) -> JobPage:
    """Return up to `limit` jobs; fewer before the end of the list only if they are hard to find.

    Raises:
        UnavailableError: the job store does not answer.
    """
    page = await jobs.run(find(limit, after))
    for _ in range(MAX_SCRIPTS - 1):
        if page.following is None or len(page.jobs) == limit:
            break
        rest = await jobs.run(find(limit - len(page.jobs), page.following))
        page = JobPage(page.jobs + rest.jobs, rest.following)
    return page


async def stored(jobs: AsyncJobStore, caller: str) -> CallerStorage:
    """Return what all jobs and uploads of a caller store. Raises UnavailableError."""
    total, offset = CallerStorage(0, 0, 0, is_last=False), 0
    while not total.is_last:
        more = await jobs.run(keys.storage(caller, offset, BATCH))
        total = CallerStorage(
            total.input_bytes + more.input_bytes,
            total.uploads + more.uploads,
            total.upload_bytes + more.upload_bytes,
            more.is_last,
        )
        offset += BATCH
    return total
