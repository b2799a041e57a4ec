"""Operations on processes: which workers live, who holds a role, what waits for them.

Keys: `workers`, `workers:alive` heartbeats; `workers:{queue}` of those that serve it; `role:{name}`
one holder at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store.commands import Call


def beat(info: WorkerInfo, ttl_ms: int) -> Call[str]:
    """Say that a worker lives, for `ttl_ms`."""
    return Call("beat", (info.id, info.model_dump_json(), ttl_ms), str)


def waiting_hints(queues: Sequence[Queue]) -> Call[int]:
    """Hints that the broker holds for these queues and no worker has fetched."""
    return Call("waiting_hints", tuple(queue.task for queue in queues), int)


def count_restart() -> Call[str]:
    """Count a worker that starts itself again because it takes nothing."""
    return Call("count_restart", (), str)


def leave(worker: str) -> Call[str]:
    """Say that a worker is gone."""
    return Call("leave", (worker,), str)


def workers() -> Call[list[WorkerInfo]]:
    """The workers that are alive."""
    return Call("workers", (), lambda reply: [*map(WorkerInfo.model_validate_json, reply)])


def preside(role: str, who: str, lease_ms: int) -> Call[bool]:
    """Hold a role that only one may have at a time; whether `who` has it now."""
    return Call("preside", (role, who, lease_ms), bool)
