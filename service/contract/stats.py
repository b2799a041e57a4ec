"""Numbers of the whole service at one moment, as its metrics show them."""

from __future__ import annotations

from typing import NamedTuple

from service.contract.options import Priority
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo


class ClassDepth(NamedTuple):
    """Number of waiting jobs of a priority in a queue; `oldest_s` is 0 if none waits."""

    waiting: int
    oldest_s: float


class QueueDepth(NamedTuple):
    """Jobs of a queue: waiting, and leased by workers.

    `by_preset` has the waiting jobs that name a preset, `leased_by_preset` those of the live
    workers of each preset.
    """

    waiting: int
    leased: int
    by_class: dict[Priority, ClassDepth]
    by_preset: dict[str, int]
    leased_by_preset: dict[str, int]


class ServiceStats(NamedTuple):
    """State of the service at one moment.

    Attributes:
        counters: values by the parts of their names.
        pending_messages: webhook messages still to be delivered.
        overdue_s: time since the first of them was due.
        workers: live workers.
        stored_jobs: jobs in the store, ended ones included.
        expired_jobs: those of them that are still to be erased.
        webhook_callers: callers with pending messages, by their level.
        stored_uploads: uploads that were made and whose objects are not deleted yet.
    """

    queues: dict[Queue, QueueDepth]
    counters: dict[tuple[str, ...], float]
    pending_messages: int
    overdue_s: float
    workers: list[WorkerInfo]
    stored_jobs: int
    expired_jobs: int
    webhook_callers: list[int]
    stored_uploads: int
