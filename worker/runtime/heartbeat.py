"""The heartbeat of a worker, which `/readyz` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.contract.queues import Queue
from service.contract.version import CONTRACT
from service.contract.workers import DeviceMemory, ModelInfo, WorkerInfo
from service.stores.job_store import presence
from service.stores.job_store.store import JobStore
from service.stores.scratch import disk_space

INTERVAL_S = 1.0
TTL_MS = 5000


@dataclass
class Heartbeat:
    """Reports that this worker is alive; `ready` once it has loaded its model and runs jobs."""

    jobs: JobStore
    worker: str
    queues: Sequence[Queue]
    preset: str
    memory: Callable[[], DeviceMemory]
    scratch: Path

    def __post_init__(self) -> None:
        self._info = WorkerInfo(
            id=self.worker,
            queues=tuple(self.queues),
            preset=self.preset,
            contract=CONTRACT,
            ready=False,
        )

    def beat(self) -> None:
        """Send one heartbeat. Raises UnavailableError."""
        usage = {"memory": self.memory(), "scratch": disk_space(self.scratch)}
        info = self._info.model_copy(update=usage)
        self.jobs.run(presence.heartbeat(info, TTL_MS))

    def report_ready(self, model: ModelInfo | None, preset: str | None = None) -> None:
        """Report that the worker runs jobs.

        Args:
            model: the loaded model; None if it only prepares jobs.
            preset: name of the preset, where the settings have the path of a file.
        """
        update = {"ready": True, "model": model, "preset": preset or self.preset}
        self._info = self._info.model_copy(update=update)
        self.beat()

    @property
    def served_preset(self) -> str:
        """Preset of the jobs that this worker runs."""
        return self._info.preset

    @property
    def is_ready(self) -> bool:
        """True if the worker runs jobs."""
        return self._info.ready

    def report_stalled(self) -> None:
        """Report that the worker claims no jobs although some wait. Raises UnavailableError."""
        self._info = self._info.model_copy(update={"ready": False, "stalled": True})
        self.beat()

    def deregister(self) -> None:
        """Remove this worker from the list of workers. Raises UnavailableError."""
        self.jobs.run(presence.deregister(self._info.id))
