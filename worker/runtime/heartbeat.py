"""A worker's sign of life, which `/readyz` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from service.contract.queues import Queue
from service.contract.version import CONTRACT
from service.contract.workers import DeviceMemory, ModelInfo, WorkerInfo
from service.stores.job_store import presence
from service.stores.job_store.store import Jobs
from service.stores.scratch import disk_space

INTERVAL_S = 1.0
TTL_MS = 5000


class Heartbeat:
    """Says that this worker lives; `ready` once what it needs is loaded and it takes jobs."""

    def __init__(
        self,
        jobs: Jobs,
        worker: str,
        queues: Sequence[Queue],
        preset: str,
        memory: Callable[[], DeviceMemory],
        scratch: Path,
    ) -> None:
        self._jobs = jobs
        self._memory = memory
        self._scratch = scratch
        self._info = WorkerInfo(
            id=worker, queues=tuple(queues), preset=preset, contract=CONTRACT, ready=False
        )

    def beat(self) -> None:
        """Say it once more. Raises UnavailableError."""
        room = {"memory": self._memory(), "scratch": disk_space(self._scratch)}
        now = self._info.model_copy(update=room)
        self._jobs.run(presence.heartbeat(now, TTL_MS))

    def is_ready(self, model: ModelInfo | None) -> None:
        """From now on the worker takes jobs, for this model; None where it only prepares them."""
        self._info = self._info.model_copy(update={"ready": True, "model": model})
        self.beat()

    @property
    def ready(self) -> bool:
        """Whether the worker takes jobs."""
        return self._info.ready

    def is_stalled(self) -> None:
        """The worker takes nothing although it should. Raises UnavailableError."""
        self._info = self._info.model_copy(update={"ready": False, "stalled": True})
        self.beat()

    def leave(self) -> None:
        """Say goodbye. Raises UnavailableError."""
        self._jobs.run(presence.deregister(self._info.id))
