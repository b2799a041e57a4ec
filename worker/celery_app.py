"""The Celery side of a worker: one thread takes hints, the others stay responsive meanwhile."""

from __future__ import annotations

from collections.abc import Sequence

import kombu
from celery import Celery
from celery.apps.worker import Worker

from service.contract.queues import Queue
from service.stores.job_store.hints import make_celery


def make_worker_app(broker_url: str) -> Celery:
    """A Celery app that consumes; `job_store.hints` has how it reaches the broker."""
    app = make_celery(broker_url)
    app.conf.update(
        # Not declared: that writes their names, which a server whose memory is full refuses. Who
        # sends hints knows the lists by their names.
        task_queues=[kombu.Queue(queue.task, no_declare=True) for queue in Queue],
        # Whatever else it refuses is no reason to leave.
        broker_channel_error_retry=True,
        # One job at a time, in a thread: forking does not mix with CUDA, and the main thread stays
        # free for the broker and for signals.
        worker_pool="worker.runtime.pool:PromptPool",
        worker_concurrency=1,
        # A hint is fetched only when the thread is free, so that no hint waits behind a long job
        # while another worker is idle.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Acknowledged at the start: what then happens to the job is the record's and its lease's
        # business. Late acknowledgement would deliver healthy long jobs twice.
        task_acks_late=False,
        # Nobody needs to reach into the worker through the broker.
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # Connections lost in the middle of a job are no reason to stop it: its lease decides.
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    return app


def make_worker(app: Celery, name: str, queues: Sequence[Queue]) -> Worker:
    """The consumer of these queues; `start` runs it until SIGTERM or SIGINT."""
    return app.Worker(
        hostname=name,
        queues=[queue.task for queue in queues],
        quiet=True,
        # Of our own logs too: Celery would set the root logger to its default, warnings alone.
        loglevel="INFO",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
