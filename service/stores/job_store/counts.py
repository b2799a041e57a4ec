"""What the whole service has counted, and how its queues stand, for `/metrics`.

The scripts count in the hash `counters` when they change a job, so the numbers are of all gateways
and workers together and survive restarts. A counter's name is its parts with `|` between them.
"""

from __future__ import annotations

from typing import NamedTuple

from service.contract.options import Priority
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store.commands import Call

# In the order in which the script tells them.
CLASSES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
# Jobs that wait, jobs at work; of each class those that wait and the oldest's age in ms.
Depth = tuple[int, int, list[tuple[int, int]]]


class ClassDepth(NamedTuple):
    """Jobs of a class in a queue.

    Attributes:
        waiting: those that wait.
        oldest_s: the age of the oldest of them; 0 when none waits.
    """

    waiting: int
    oldest_s: float


class QueueDepth(NamedTuple):
    """A queue.

    Attributes:
        waiting: jobs that wait.
        leased: jobs at work.
        by_class: those that wait, by their priority.
    """

    waiting: int
    leased: int
    by_class: dict[Priority, ClassDepth]


class Snapshot(NamedTuple):
    """The service at one moment.

    Attributes:
        counters: by the parts of their names.
        due: webhook messages that are still to be delivered.
        overdue_s: how long the first of them has been due.
    """

    queues: dict[Queue, QueueDepth]
    counters: dict[tuple[str, ...], float]
    due: int
    overdue_s: float
    workers: list[WorkerInfo]


def snapshot() -> Call[Snapshot]:
    """How everything stands."""
    return Call("snapshot", tuple(Queue), _snapshot)


def _snapshot(reply: tuple[list[Depth], list[str], int, int, list[str]]) -> Snapshot:
    depths, pairs, due, overdue_ms, workers = reply
    return Snapshot(
        {
            queue: QueueDepth(waiting, leased, _by_class(classes))
            for queue, (waiting, leased, classes) in zip(Queue, depths, strict=True)
        },
        {
            tuple(name.split("|")): float(value)
            for name, value in zip(pairs[::2], pairs[1::2], strict=True)
        },
        due,
        overdue_ms / 1000,
        [WorkerInfo.model_validate_json(text) for text in workers],
    )


def _by_class(classes: list[tuple[int, int]]) -> dict[Priority, ClassDepth]:
    return {
        priority: ClassDepth(waiting, oldest_ms / 1000)
        for priority, (waiting, oldest_ms) in zip(CLASSES, classes, strict=True)
    }
