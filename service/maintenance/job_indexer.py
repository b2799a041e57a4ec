"""Bring the list of all callers' jobs up to date with jobs that releases before this one wrote."""

from __future__ import annotations

from dataclasses import dataclass

from service.stores.job_store import retention
from service.stores.job_store.store import JobStore

# Keys that a step looks at; a job has about three.
KEYS = 250
START = "0"


@dataclass
class JobIndexer:
    """Indexes a batch of jobs with each step, and starts again after the last one.

    During a rolling upgrade processes of the release before continue writing.
    """

    _cursor: str = START
    _has_seen_all: bool = False

    def index(self, jobs: JobStore) -> bool:
        """Index a batch. Returns whether jobs are left that were never looked at.

        Raises:
            UnavailableError: the job store does not answer.
        """
        self._cursor = jobs.run(retention.index_jobs(self._cursor, KEYS))
        self._has_seen_all = self._has_seen_all or self._cursor == START
        return not self._has_seen_all
