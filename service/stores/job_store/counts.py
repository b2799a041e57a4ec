"""Counters and queue depths of the whole service, for `/metrics`.

The scripts count in the hash `counters` when they change a job, so the numbers cover all gateways
and workers and survive restarts. A counter's name is its parts, joined by `|`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from service.contract.options import Priority
from service.contract.queues import Queue
from service.contract.stats import ClassDepth, QueueDepth, ServiceStats
from service.contract.workers import WorkerInfo
from service.stores.job_store.commands import Command
from service.stores.job_store.deliveries import LEVELS

# In the order of the script's reply.
CLASSES = (Priority.HIGH, Priority.NORMAL, Priority.LOW)
# Waiting jobs, workers of leased jobs; for each class waiting jobs and the age of the oldest in ms;
# for each preset that jobs name waiting jobs.
Depth = tuple[int, list[str], list[tuple[int, int]], list[tuple[str, int]]]


def service_stats() -> Command[ServiceStats]:
    """Read the state of the service."""
    return Command("service_stats", {"queues": list(Queue), "levels": LEVELS}, _stats)


def _stats(
    reply: tuple[list[Depth], list[str], int, int, list[str], int, int, list[int], int],
) -> ServiceStats:
    depths, pairs, pending, overdue_ms, texts, stored, expired, levels, stored_uploads = reply
    workers = [WorkerInfo.model_validate_json(text) for text in texts]
    return ServiceStats(
        {
            queue: QueueDepth(
                waiting, len(holders), _by_class(classes), dict(named), _served(holders, workers)
            )
            for queue, (waiting, holders, classes, named) in zip(Queue, depths, strict=True)
        },
        {
            tuple(name.split("|")): float(value)
            for name, value in zip(pairs[::2], pairs[1::2], strict=True)
        },
        pending,
        overdue_ms / 1000,
        workers,
        stored,
        expired,
        levels,
        stored_uploads,
    )


def _served(holders: Sequence[str], workers: Sequence[WorkerInfo]) -> dict[str, int]:
    """Count leased jobs by the presets of the live workers that hold them."""
    presets = {worker.id: worker.preset for worker in workers}
    return Counter(presets[holder] for holder in holders if holder in presets)


def _by_class(classes: list[tuple[int, int]]) -> dict[Priority, ClassDepth]:
    return {
        priority: ClassDepth(waiting, oldest_ms / 1000)
        for priority, (waiting, oldest_ms) in zip(CLASSES, classes, strict=True)
    }
