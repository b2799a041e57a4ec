"""A worker process, from its settings to its end."""

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
from service.stores.job_store.store import Jobs
from service.stores.object_store.open import open_objects
from service.telemetry.tracing import start_tracing
from worker.animation import Animator
from worker.celery_app import make_worker, make_worker_app
from worker.job_runner import JobRunner
from worker.outputs.provenance.finish import open_provenance
from worker.runtime import heartbeat
from worker.runtime import stall_detector as watching
from worker.runtime.cancellation import Cancels
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.lease import Lease
from worker.runtime.periodic import Periodic
from worker.runtime.shutdown import Shutdown
from worker.runtime.stall_detector import Watch
from worker.tasks import register_tasks

logger = logging.getLogger(__name__)

# Of the last second before a worker is cut off.
GIVE_BACK_S = 1.0


def run_worker(
    settings: Settings, animator: Animator, queues: Sequence[Queue] = tuple(Queue)
) -> int:
    """Load the model, then take jobs until SIGTERM or SIGINT.

    When the signal comes, the step at work may end and is kept, and the job is given back. A
    worker that has not left after `shutdown.LEAVE_S` gives its job back as it is, and is cut
    off.

    Returns:
        The exit code: 0 after a signal.

    Raises:
        SettingsError: no Redis is known, or what signs results cannot be used.
        Whatever the animator raises when its model cannot be loaded.
    """
    url = settings.broker_url()
    name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
    jobs = Jobs.connect(url)
    shutdown = Shutdown(lambda: _cut_off(runner))
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    runner = JobRunner(
        jobs=jobs,
        objects=open_objects(settings),
        hints=HintSender(jobs),
        animator=animator,
        worker=name,
        preset=settings.preset,
        scratch=settings.spool_folder,
        lease_ms=settings.lease_ms,
        shutdown=shutdown,
        checkpoint_s=settings.checkpoint_s,
        provenance=open_provenance(settings, queues),
    )
    alive = Heartbeat(jobs, name, queues, settings.preset, animator.memory, settings.spool_folder)
    keeper = Reconciler(
        jobs, runner.hints, name, settings.max_attempts, settings.hint_age_ms, settings.lease_ms
    )
    sweeping = Sweeper(
        jobs, runner.objects, name, settings.spool_folder, OrphanSweeper(jobs, runner.objects)
    )
    with ExitStack() as stack:
        stack.callback(start_tracing(settings.otlp_endpoint, "worker"))
        stack.callback(jobs.close)
        stack.callback(_say_goodbye, alive)
        stack.enter_context(Periodic("heartbeat", heartbeat.INTERVAL_S, alive.beat))
        stack.enter_context(Periodic("reconciler", reconciler.INTERVAL_S, keeper.act))
        stack.enter_context(Periodic("sweeper", sweeper.INTERVAL_S, sweeping.act))
        load_apart(animator)
        logger.info("worker %s: %r is loaded for %s", name, settings.preset, ", ".join(queues))
        stack.enter_context(Cancels(jobs, runner.hear_of_cancel))
        watch = Watch(runner, alive, queues, settings.stalled_s)
        stack.enter_context(Periodic("watch", watching.INTERVAL_S, watch.act))
        return _consume(url, runner, alive, shutdown, queues)


def load_apart(animator: Animator) -> None:
    """Load the model in a thread that ends with it.

    The one that renders is another, and a team of OpenMP threads left behind here would make it
    1.5 times as slow (decision 0018). Raises whatever the animator raises.
    """
    with ThreadPoolExecutor(1, "load") as apart:
        apart.submit(animator.load).result()


def _consume(
    url: str,
    runner: JobRunner,
    alive: Heartbeat,
    shutdown: Shutdown,
    queues: Sequence[Queue],
) -> int:
    app = make_worker_app(url)
    register_tasks(app, runner)

    def on_ready(**_: object) -> None:
        alive.is_ready(runner.animator.describe() if Queue.RENDER in queues else None)

    def on_shutdown(**_: object) -> None:
        shutdown.begin()

    signals.worker_ready.connect(on_ready)
    signals.worker_shutting_down.connect(on_shutdown)
    worker = make_worker(app, runner.worker, queues)
    worker.start()
    return int(worker.exitcode or 0)


def _cut_off(runner: JobRunner) -> None:
    """End this process now, whatever it does; its job waits again if the store still answers."""
    lease = runner.at_work
    logger.warning("worker %s: cut off, it did not leave in time", runner.worker)
    if lease is not None:
        giving_back = threading.Thread(target=_let_go, args=(lease,), daemon=True)
        giving_back.start()
        giving_back.join(GIVE_BACK_S)
    os._exit(0)


def _let_go(lease: Lease) -> None:
    try:
        lease.let_go()
    except UnavailableError as error:
        logger.warning("the job is left to its lease: %s", error)


def _say_goodbye(alive: Heartbeat) -> None:
    try:
        alive.leave()
    except UnavailableError as error:
        logger.warning("no goodbye: %s", error)
