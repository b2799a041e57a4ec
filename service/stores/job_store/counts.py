"""Counters and queue depths of the whole service, for `/metrics`.

The scripts count in the hash `counters` when they change a job, so the numbers cover all gateways
and workers and survive restarts. A counter's name is its parts, joined by `|`.
"""

from __future__ import annotations

from typing import NamedTuple

from service.contract.options import Priority
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store.commands import Command

# In the order of the script's reply.
CLASSES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
# Waiting jobs, leased jobs; for each class waiting jobs and the age of the oldest in ms.
Depth = tuple[int, int, list[tuple[int, int]]]


class ClassDepth(NamedTuple):
    """Waiting jobs of a priority in a queue.

    Attributes:
        waiting: number of jobs.
        oldest_s: age of the oldest; 0 if none waits.
    """

    waiting: int
    oldest_s: float


class QueueDepth(NamedTuple):
    """Jobs of a queue.

    Attributes:
        waiting: waiting jobs.
        leased: jobs that workers have.
        by_class: waiting jobs by priority.
    """

    waiting: int
    leased: int
    by_class: dict[Priority, ClassDepth]


class ServiceStats(NamedTuple):
    """State of the service at one moment.

    Attributes:
        counters: by the parts of their names.
        pending_messages: webhook messages still to be delivered.
        overdue_s: how long the first of them has been due.
        workers: live workers.
    """

    queues: dict[Queue, QueueDepth]
    counters: dict[tuple[str, ...], float]
    pending_messages: int
    overdue_s: float
    workers: list[WorkerInfo]


def service_stats() -> Command[ServiceStats]:
    """Read the state of the service."""
    return Command("service_stats", {"queues": list(Queue)}, _stats)


def _stats(reply: tuple[list[Depth], list[str], int, int, list[str]]) -> ServiceStats:
    depths, pairs, pending, overdue_ms, workers = reply
    return ServiceStats(
        {
            queue: QueueDepth(waiting, leased, _by_class(classes))
            for queue, (waiting, leased, classes) in zip(Queue, depths, strict=True)
        },
        {
            tuple(name.split("|")): float(value)
            for name, value in zip(pairs[::2], pairs[1::2], strict=True)
        },
        pending,
        overdue_ms / 1000,
        [WorkerInfo.model_validate_json(text) for text in workers],
    )


def _by_class(classes: list[tuple[int, int]]) -> dict[Priority, ClassDepth]:
    return {
        priority: ClassDepth(waiting, oldest_ms / 1000)
        for priority, (waiting, oldest_ms) in zip(CLASSES, classes, strict=True)
    }
