"""The presets that live workers serve."""

from __future__ import annotations

from collections.abc import Iterable

from service.contract.errors import ErrorCode
from service.contract.job import JobKind
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.errors import RejectedError, did_you_mean
from service.gateway import Gateway
from service.stores.job_store import presence


async def check_preset(gateway: Gateway, kind: JobKind, preset: str | None) -> None:
    """Raise RejectedError (`preset_not_served`) unless live workers can run such a job."""
    if preset is None:
        return
    workers = await gateway.jobs.run(presence.workers())
    served = sorted(served_presets(kind, workers))
    if preset not in served:
        raise RejectedError(
            ErrorCode.PRESET_NOT_SERVED,
            f"params.preset: no live worker serves {preset!r}{did_you_mean(preset, served)}; "
            f"served are: {', '.join(served) or 'none'}. Choose one of them, or leave preset out",
        )


def served_presets(kind: JobKind, workers: Iterable[WorkerInfo]) -> set[str]:
    """Return the presets with a live worker for each stage of a job of this kind."""
    # Workers of contract 2 do not claim jobs that name a preset.
    pairs = {(queue, w.preset) for w in workers if w.contract > 2 for queue in w.queues}
    stages = [Queue.PREPARE] if kind is JobKind.POSES else list(Queue)
    return {preset for _, preset in pairs if all((stage, preset) in pairs for stage in stages)}
