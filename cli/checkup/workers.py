"""Checks of the running workers, and of queues that none of them serves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from cli.checkup.finding import Finding, error, ok, warning
from service.contract.queues import Queue
from service.contract.version import CONTRACT
from service.contract.workers import WorkerInfo
from service.errors import UnavailableError
from service.settings import Settings
from service.stores.job_store import counts, presence
from service.stores.job_store.store import JobStore


def check(settings: Settings) -> Iterator[Finding]:
    """Compare the heartbeats with the queues."""
    with closing(JobStore.connect(settings.broker_url())) as jobs:
        try:
            workers = jobs.run(presence.workers())
            depths = jobs.run(counts.service_stats()).queues
        except UnavailableError as failed:
            yield error("heartbeats", str(failed), "fix the findings of redis first")
            return
    for queue in Queue:
        yield check_queue(queue, workers, depths[queue].waiting)
    yield from check_differences(workers)


def check_queue(queue: Queue, workers: Sequence[WorkerInfo], waiting: int) -> Finding:
    """Check that a worker is ready for this queue."""
    ready = [worker.id for worker in workers if worker.ready and queue in worker.queues]
    if ready:
        return ok(queue, f"{len(ready)} ready, {waiting} jobs wait")
    loading = [worker.id for worker in workers if queue in worker.queues]
    detail = f"no worker is ready ({len(loading)} are loading); {waiting} jobs wait"
    return error(queue, detail, f"start tcan worker --queues {queue}; see the workers' logs")


def check_differences(workers: Sequence[WorkerInfo]) -> Iterator[Finding]:
    """Warn of differences between workers that change results, and of stalled workers."""
    for worker in workers:
        if worker.stalled:
            detail = f"{worker.id} claims no jobs although some wait; it is restarting itself"
            yield warning("stalled", detail, "if this repeats, check its log and its network")
    if len({worker.contract for worker in workers} | {CONTRACT}) > 1:
        contracts = ", ".join(f"{worker.id}: {worker.contract}" for worker in workers)
        yield warning(
            "contract",
            f"{contracts}; this release: {CONTRACT}. Jobs of a later one wait for workers of it",
            "finish the upgrade: workers first, then gateways",
        )
    for preset in sorted({worker.preset for worker in workers}):
        models = [w.model for w in workers if w.preset == preset and w.model is not None]
        if len({tuple(sorted(model.weights.items())) for model in models}) > 1:
            yield warning(
                "weights",
                f"workers of {preset} have different weights: equal jobs give different videos",
                "give all of them the same TCAN_WEIGHTS, and restart them",
            )
    if len({worker.preset for worker in workers}) > 1:
        names = ", ".join(sorted({worker.preset for worker in workers}))
        yield warning(
            "presets",
            f"{names}: any free worker may run a job that names no preset",
            "let callers name one (params.preset), or give all workers one TCAN_PRESET",
        )
