"""The workers that live, and jobs that none of them can do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cli.checkup.finding import Finding, error, ok, warning
from service.contract.queues import Queue
from service.contract.version import CONTRACT
from service.contract.workers import WorkerInfo
from service.errors import UnavailableError
from service.settings import Settings
from service.stores.job_store import counts, presence
from service.stores.job_store.store import JobStore

AREA = "workers"


def look(settings: Settings) -> Iterator[Finding]:
    """What the heartbeats say, and the queues beside them."""
    jobs = JobStore.connect(settings.broker_url())
    try:
        workers = jobs.run(presence.workers())
        depths = jobs.run(counts.service_stats()).queues
    except UnavailableError as failed:
        yield error(AREA, "heartbeats", str(failed), "mend what is said of redis first")
        return
    finally:
        jobs.close()
    for queue in Queue:
        yield served(queue, workers, depths[queue].waiting)
    yield from alike(workers)


def served(queue: Queue, workers: Sequence[WorkerInfo], waiting: int) -> Finding:
    """Whether somebody takes this queue's jobs."""
    ready = [worker.id for worker in workers if worker.ready and queue in worker.queues]
    if ready:
        return ok(AREA, queue, f"{len(ready)} ready, {waiting} jobs wait")
    others = [worker.id for worker in workers if queue in worker.queues]
    told = f"none takes its jobs ({len(others)} load their model); {waiting} wait"
    return error(AREA, queue, told, f"start tcan worker --queues {queue}; see the workers' logs")


def alike(workers: Sequence[WorkerInfo]) -> Iterator[Finding]:
    """Whether it matters which of them takes a job."""
    for worker in workers:
        if worker.stalled:
            told = f"{worker.id} takes nothing although hints wait, and starts itself again"
            yield warning(AREA, "stalled", told, "if it comes back, see its log and its network")
    if len({worker.contract for worker in workers} | {CONTRACT}) > 1:
        told = ", ".join(f"{worker.id}: {worker.contract}" for worker in workers)
        yield warning(
            AREA,
            "contract",
            f"{told}; this release: {CONTRACT}. Jobs of later ones wait for workers that know them",
            "finish the upgrade: workers first, then gateways",
        )
    for preset in sorted({worker.preset for worker in workers}):
        models = [w.model for w in workers if w.preset == preset and w.model is not None]
        if len({tuple(sorted(model.weights.items())) for model in models}) > 1:
            yield warning(
                AREA,
                "weights",
                f"workers of {preset} have loaded different files: equal jobs give unequal videos",
                "give all of them the same TCAN_WEIGHTS, and start them again",
            )
    if len({worker.preset for worker in workers}) > 1:
        names = ", ".join(sorted({worker.preset for worker in workers}))
        yield warning(
            AREA,
            "presets",
            f"{names}: a job is done by whichever worker is free",
            "give all workers of a deployment one TCAN_PRESET",
        )
