"""A worker process, from its settings to its exit."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from secrets import token_hex

from celery import signals

from service.contract.queues import Queue
from service.errors import UnavailableError
from service.maintenance import reconciler, sweeper
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.reconciler import Reconciler
from service.maintenance.sweeper import Sweeper
from service.settings import Settings
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.telemetry.context import about_job
from service.telemetry.tracing import start_tracing
from worker.animation import Animator
from worker.celery_app import make_worker, make_worker_app, register_tasks
from worker.job_runner import JobRunner
from worker.outputs.provenance.finish import open_provenance
from worker.runtime import heartbeat, stall_detector
from worker.runtime.cancellation import CancelListener
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.lease import Lease
from worker.runtime.periodic import Periodic
from worker.runtime.shutdown import EXIT_S, STEP_S, Shutdown
from worker.runtime.stall_detector import StallDetector

logger = logging.getLogger(__name__)

# Time to release the job before a worker that exceeded its shutdown deadline is killed.
RELEASE_S = 1.0


def run_worker(
    settings: Settings,
    animator: Animator,
    queues: Sequence[Queue] = tuple(Queue),
    *,
    name: str | None = None,
    step_s: float = STEP_S,
    exit_s: float = EXIT_S,
) -> int:
    """Load the model, then run jobs until SIGTERM or SIGINT.

    After the signal the current step may finish and is saved, and the job is released. A worker
    that has not exited after `exit_s` releases its job as it is and is killed.

    Args:
        name: id of the worker; a new one when absent.
        step_s: time after the signal in which the current step may finish.
        exit_s: time after the signal within which the worker must exit.

    Returns:
        The exit code: 0 after a signal.

    Raises:
        SettingsError: there is no Redis address, or the signing certificate cannot be used.
        The animator's errors of loading its model.
    """
    url, name = settings.broker_url(), name or worker_name()
    jobs = JobStore.connect(url)
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    runner = JobRunner(
        jobs=jobs,
        objects=open_objects(settings),
        hints=HintSender(jobs),
        animator=animator,
        worker=name,
        scratch=settings.spool_folder,
        lease_ms=settings.lease_ms,
        shutdown=Shutdown(lambda: _kill_process(runner), step_s=step_s, exit_s=exit_s),
        checkpoint_s=settings.checkpoint_s,
        provenance=open_provenance(settings, queues),
    )
    beats = Heartbeat(jobs, name, queues, settings.preset, animator.memory, settings.spool_folder)
    with ExitStack() as stack:
        stack.callback(start_tracing(settings.otlp_endpoint, "worker"))
        stack.callback(jobs.close)
        stack.callback(_deregister, beats)
        stack.enter_context(Periodic("heartbeat", heartbeat.INTERVAL_S, beats.beat))
        for maintenance in _maintenance(settings, runner):
            stack.enter_context(maintenance)
        load_in_thread(animator)
        logger.info(
            "model loaded: worker=%s preset=%s queues=%s", name, settings.preset, ",".join(queues)
        )
        stack.enter_context(CancelListener(jobs, runner.on_cancel_request))
        detector = StallDetector(runner, beats, queues, settings.stalled_s)
        stack.enter_context(Periodic("stall detector", stall_detector.INTERVAL_S, detector.check))
        return _consume(url, runner, beats, queues)


def worker_name() -> str:
    """Return a new id for a worker: its host, its process id and four random digits."""
    return f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"


def _maintenance(settings: Settings, runner: JobRunner) -> tuple[Periodic, Periodic]:
    """Return the reconciler and the sweeper of a worker."""
    jobs, name, scratch = runner.jobs, runner.worker, runner.scratch
    limits = (settings.max_attempts, settings.hint_age_ms, settings.lease_ms)
    reconciling = Reconciler(jobs, runner.hints, name, *limits)
    orphans = OrphanSweeper(jobs, runner.objects)
    sweeping = Sweeper(jobs, runner.objects, name, scratch, orphans)
    return (
        Periodic("reconciler", reconciler.INTERVAL_S, reconciling.act),
        Periodic("sweeper", sweeper.INTERVAL_S, sweeping.act),
    )


def load_in_thread(animator: Animator) -> None:
    """Load the model in a thread that ends afterwards. Raises as the animator.

    Jobs are rendered in another thread: OpenMP threads left over from loading would make that 1.5
    times as slow (decision 0018).
    """
    with ThreadPoolExecutor(1, "load") as executor:
        executor.submit(animator.load).result()


def _consume(url: str, runner: JobRunner, beats: Heartbeat, queues: Sequence[Queue]) -> int:
    model = runner.animator.describe()
    app = make_worker_app(url, model.preset)
    register_tasks(app, runner)

    def on_ready(**_: object) -> None:
        beats.report_ready(model if Queue.RENDER in queues else None, model.preset)

    def on_shutdown(**_: object) -> None:
        runner.shutdown.begin()

    signals.worker_ready.connect(on_ready)
    signals.worker_shutting_down.connect(on_shutdown)
    worker = make_worker(app, runner.worker, queues, model.preset)
    worker.start()
    return int(worker.exitcode or 0)


def _kill_process(runner: JobRunner) -> None:
    """Release the current job if the store answers, and exit at once."""
    lease = runner.lease
    logger.warning("shutdown deadline exceeded, exiting: worker=%s", runner.worker)
    if lease is not None:
        release = threading.Thread(target=_release, args=(lease,), daemon=True)
        release.start()
        release.join(RELEASE_S)
    os._exit(0)


def _release(lease: Lease) -> None:
    try:
        lease.release()
    except UnavailableError as error:
        with about_job(lease.job_id):
            logger.warning("job not released, its lease will expire: %s", error)


def _deregister(beats: Heartbeat) -> None:
    try:
        beats.deregister()
    except UnavailableError as error:
        logger.warning("could not deregister worker: %s", error)
