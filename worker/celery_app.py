"""The Celery app of a worker: one thread runs jobs, the main thread stays responsive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import kombu
from celery import Celery
from celery.apps.worker import Worker

from service.contract.queues import Queue
from service.stores.job_store import presence
from service.stores.job_store.hints import make_celery
from worker.job_runner import JobRunner


def make_worker_app(broker_url: str, preset: str | None = None) -> Celery:
    """Return a Celery app for a consumer; `job_store.hints` configures the broker.

    Args:
        preset: preset of the worker, which also receives the messages of jobs that name it.
    """
    app = make_celery(broker_url)
    app.conf.update(
        # Not declared: that writes their names, which a server with full memory refuses. Senders
        # know the queues by name.
        task_queues=[
            kombu.Queue(name, no_declare=True)
            for queue in Queue
            for name in presence.hint_lists(queue, preset)
        ],
        # Other errors of the broker are no reason to exit.
        broker_channel_error_retry=True,
        # One job at a time, in a thread: forking does not mix with CUDA, and the main thread stays
        # free for the broker and for signals.
        worker_pool="worker.runtime.pool:PromptPool",
        worker_concurrency=1,
        # A message is fetched only when the thread is free, so that none waits behind a long job
        # while another worker is idle.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Acknowledged at the start: from then on the job's record and lease count. Late
        # acknowledgement would deliver healthy long jobs twice.
        task_acks_late=False,
        # Nobody controls the worker through the broker.
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # A lost connection is no reason to stop a job: its lease decides.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def register_tasks(app: Celery, runner: JobRunner) -> None:
    """Add one task per queue; it receives a job's id, and the job record says what to do."""
    for queue in Queue:
        app.task(name=queue.task)(_task(runner, queue))


def _task(runner: JobRunner, queue: Queue) -> Callable[[str], None]:
    def run_stage(job_id: str) -> None:
        runner.run(queue, job_id)

    return run_stage


def make_worker(
    app: Celery, name: str, queues: Sequence[Queue], preset: str | None = None
) -> Worker:
    """Return the consumer of these queues; its `start` runs until SIGTERM or SIGINT."""
    return app.Worker(
        hostname=name,
        queues=[name for queue in queues for name in presence.hint_lists(queue, preset)],
        quiet=True,
        # Celery would set the root logger to WARNING.
        loglevel=logging.getLogger().level,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
