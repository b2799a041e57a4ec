"""Commands on processes: live workers, roles, waiting wake-up messages.

Keys in Redis: `workers`, hash of heartbeats; `workers:alive`, `workers:{queue}` and
`workers:{queue}:{preset}`, ids by the time at which they expire; `role:{name}`, its holder.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store.commands import Command


def heartbeat(info: WorkerInfo, ttl_ms: int) -> Command[str]:
    """Register a worker as alive for `ttl_ms`."""
    arguments = {
        "worker": info.id,
        "info": info.model_dump_json(),
        "ready": info.ready,
        "queues": info.queues,
        "preset": info.preset,
        "ttl_ms": ttl_ms,
    }
    return Command("heartbeat", arguments, str)


def count_hints(queues: Sequence[Queue], preset: str | None = None) -> Command[int]:
    """Count the wake-up messages for a worker of these queues and preset."""
    lists = [name for queue in queues for name in hint_lists(queue, preset)]
    return Command("count_hints", {"lists": lists}, int)


def hint_lists(queue: Queue, preset: str | None) -> tuple[str, ...]:
    """Return the broker's lists that a worker of a queue and a preset reads.

    The scripts send messages of jobs that name a preset to the second one.
    """
    return (queue.task,) if preset is None else (queue.task, f"{queue.task}.{preset}")


def jobs_missing_hints(queue: Queue, age_ms: int, limit: int = 100) -> Command[list[str]]:
    """List jobs whose last wake-up message is at least `age_ms` old, and reset its time.

    Jobs for whose list the broker holds messages are left out: workers will claim them anyway.
    """
    arguments = {"queue": queue, "list": queue.task, "age_ms": age_ms, "limit": limit}
    return Command("jobs_missing_hints", arguments, list)


def count_restart() -> Command[str]:
    """Count a worker that restarts itself because it claimed no job despite wake-up messages."""
    return Command("count_restart", {}, str)


def deregister(worker: str) -> Command[str]:
    """Remove a worker that shuts down."""
    return Command("deregister_worker", {"worker": worker}, str)


def workers() -> Command[list[WorkerInfo]]:
    """List live workers."""
    return Command("workers", {}, lambda reply: [*map(WorkerInfo.model_validate_json, reply)])


def hold_role(role: str, holder: str, lease_ms: int) -> Command[bool]:
    """Take or keep a role that has one holder at a time; returns whether `holder` has it."""
    return Command("hold_role", {"role": role, "holder": holder, "lease_ms": lease_ms}, bool)
