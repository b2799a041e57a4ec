"""Commands for erasing what is not needed any more, and for what releases before left undone.

Keys in Redis: `checkpoints:spent`, ended jobs whose checkpoints are still stored; `identity`, a
name that distinguishes this job store from others.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.stores.job_store.commands import Command


def postpone(set_name: str, name: str, ms: int) -> Command[int]:
    """Postpone an erasure that failed by this many ms.

    Args:
        set_name: `expiries`, `uploads:ends` or `checkpoints:spent`.
        name: the member of that set.
    """
    return Command("postpone", {"set": set_name, "id": name, "ms": ms}, int)


def expired_jobs(limit: int = 100) -> Command[list[str]]:
    """List ended jobs whose retention time has passed."""
    return Command("expired_jobs", {"limit": limit}, list)


def obsolete_checkpoints(limit: int = 100) -> Command[list[str]]:
    """List ended jobs whose checkpoints are still stored."""
    return Command("obsolete_checkpoints", {"limit": limit}, list)


def forget_checkpoints(job_id: str) -> Command[str]:
    """Record that an ended job's checkpoints are deleted."""
    return Command("forget_checkpoints", {"id": job_id}, str)


def trim_events(limit: int = 500) -> Command[bool]:
    """Trim the events of jobs that ended some time ago; returns whether such jobs are left.

    Args:
        limit: number of changes of state after which the script begins no other job.
    """
    return Command("trim_events", {"limit": limit}, bool)


def index_jobs(cursor: str, limit: int) -> Command[str]:
    """List jobs of releases before this one among the jobs of all callers.

    Args:
        cursor: "0" at first, then the reply.
        limit: approximate number of the server's keys that are looked at.

    Returns:
        The cursor of the next call; "0" after the last key.
    """
    return Command("index_jobs", {"cursor": cursor, "count": limit}, str)


def missing_jobs(job_ids: Sequence[str]) -> Command[list[str]]:
    """Return those of the ids that have no job."""
    return Command("missing_jobs", {"ids": list(job_ids)}, list)


def store_identity(candidate: str) -> Command[str]:
    """Return the job store's identity; the candidate becomes it if there was none."""
    return Command("store_identity", {"candidate": candidate}, str)
