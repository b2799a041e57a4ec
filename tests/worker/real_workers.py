"""A gateway and worker processes of the shipped model, and jobs for them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.contract.job import JobRecord
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands, events, presence
from service.stores.job_store.events import JobEvent
from service.stores.job_store.store import JobStore
from tcan_client import Client, JobParams
from tests.servers import running
from tests.service.gateway import running_gateway

COMMAND = [sys.executable, "-P", "-m", "cli.main", "worker"]
Process = subprocess.Popen[bytes]


class RealWorkers:
    """A gateway, two workers of the real model, and jobs for them."""

    def __init__(self, jobs: JobStore, url: str, start: Callable[[], Process]) -> None:
        self.jobs, self.client, self._start = jobs, Client(url), start
        self._processes: dict[int, Process] = {}
        for _ in range(2):
            self.start()

    def start(self) -> None:
        """One more worker; it takes jobs once its model is loaded."""
        process = self._start()
        self._processes[process.pid] = process

    def submit(
        self, pair: Path, driving: str = "driving_pose.json", steps: int | None = None
    ) -> str:
        params = JobParams(seed=3, num_inference_steps=steps)
        return self.client.submit(pair / "source.png", pair / driving, params).id

    def record(self, job_id: str) -> JobRecord:
        snapshot = self.jobs.run(commands.read(job_id))
        assert snapshot is not None
        return snapshot.record

    def at_step(self, job_id: str, step: int) -> JobRecord | None:
        record = self.record(job_id)
        progress = record.progress
        at_work = record.state is JobState.RUNNING and progress is not None
        return record if at_work and progress and progress.step >= step else None

    def all_ready(self) -> bool:
        return sum(worker.ready for worker in self.jobs.run(presence.workers())) >= 2

    def replace_holder(self, record: JobRecord, how: signal.Signals) -> Process:
        """Send a signal to the process that has the job, and start another one."""
        assert record.worker is not None
        process = self._processes.pop(int(record.worker.split("-")[-2]))
        process.send_signal(how)
        self.start()
        return process

    def story(self, job_id: str) -> list[JobEvent]:
        return self.jobs.run(events.events(job_id, 0, 10_000))


@contextmanager
def real_workers(settings: Settings, jobs: JobStore, folder: Path) -> Iterator[RealWorkers]:
    """All of it for the length of a `with` block; logs go into the folder."""
    assert settings.redis_url is not None
    environment = {
        "TCAN_DATA": str(settings.data),
        "TCAN_REDIS_URL": settings.redis_url.get_secret_value(),
        "OMP_NUM_THREADS": "1",
    }
    logs = iter(range(1000))
    with ExitStack() as stack, running_gateway(settings) as url:

        def start() -> Process:
            log = folder / f"worker-{next(logs)}.log"
            return stack.enter_context(running(COMMAND, log, environment, 0))

        workers = RealWorkers(jobs, url, start)
        stack.callback(workers.client.close)
        yield workers
