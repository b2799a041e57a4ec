"""A worker process, from its settings to its end."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from secrets import token_hex

from celery import signals

from service.contract.queues import Queue
from service.errors import Unavailable
from service.settings import Settings
from service.stores.hints import Hints
from service.stores.jobs import Jobs
from service.stores.objects import open_objects
from service.telemetry.tracing import start_tracing
from worker import heartbeat, reconciler, sweeper
from worker.animation import Animator
from worker.celery_app import make_worker, make_worker_app
from worker.heartbeat import Heartbeat
from worker.job_runner import JobRunner
from worker.periodic import Periodic
from worker.reconciler import Reconciler
from worker.sweeper import Sweeper
from worker.tasks import register_tasks

logger = logging.getLogger(__name__)


def run_worker(
    settings: Settings, animator: Animator, queues: Sequence[Queue] = tuple(Queue)
) -> int:
    """Load the model, then take jobs until SIGTERM or SIGINT.

    A job at work when the signal comes is stopped at its next step and given back.

    Returns:
        The exit code: 0 after a signal.

    Raises:
        SettingsError: no Redis is known.
        Whatever the animator raises when its model cannot be loaded.
    """
    url = settings.broker_url()
    name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
    jobs, hints, shutdown = Jobs.connect(url), Hints(url), threading.Event()
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    runner = JobRunner(
        jobs=jobs,
        objects=open_objects(settings),
        hints=hints,
        animator=animator,
        worker=name,
        preset=settings.preset,
        scratch=settings.spool_folder,
        lease_ms=settings.lease_ms,
        shutdown=shutdown,
    )
    alive = Heartbeat(jobs, name, queues, settings.preset, animator.memory)
    keeper = Reconciler(jobs, hints, name, settings.max_attempts, settings.hint_age_ms)
    sweeping = Sweeper(jobs, runner.objects, name)
    with ExitStack() as stack:
        stack.callback(start_tracing(settings.otlp_endpoint, "worker"))
        stack.callback(jobs.close)
        stack.callback(hints.close)
        stack.callback(_say_goodbye, alive)
        stack.enter_context(Periodic("heartbeat", heartbeat.INTERVAL_S, alive.beat))
        animator.load()
        logger.info("worker %s: the model %r is loaded", name, settings.preset)
        stack.enter_context(Periodic("reconciler", reconciler.INTERVAL_S, keeper.act))
        stack.enter_context(Periodic("sweeper", sweeper.INTERVAL_S, sweeping.act))
        return _consume(url, runner, alive, shutdown, queues)


def _consume(
    url: str,
    runner: JobRunner,
    alive: Heartbeat,
    shutdown: threading.Event,
    queues: Sequence[Queue],
) -> int:
    app = make_worker_app(url)
    register_tasks(app, runner)

    def on_ready(**_: object) -> None:
        alive.is_ready(runner.animator.describe())

    def on_shutdown(**_: object) -> None:
        shutdown.set()

    signals.worker_ready.connect(on_ready)
    signals.worker_shutting_down.connect(on_shutdown)
    worker = make_worker(app, runner.worker, queues)
    worker.start()
    return int(worker.exitcode or 0)


def _say_goodbye(alive: Heartbeat) -> None:
    try:
        alive.leave()
    except Unavailable as error:
        logger.warning("no goodbye: %s", error)
