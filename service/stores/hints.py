"""Hints that work exists: Celery messages that carry a job's id and nothing else.

A hint may get lost, come twice or come late: the job record decides. So a message is acknowledged
as soon as a worker starts on it, and the reconciler of `worker` sends missing hints again. The
numbers behind the options below are in `docs/decisions` and were measured on Celery and kombu 5.7.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from service.contract.queues import Queue
from service.errors import Unavailable

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Without these a publish to a server that is gone waits for ever.
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "health_check_interval": 10,
    # A hint that a worker fetched and never started (it was killed in between) comes back after
    # about this many seconds instead of an hour. It is short on purpose: a started hint is
    # acknowledged, so no running job is delivered twice however long it takes.
    "visibility_timeout": 5,
    # How often that is looked for: by default every 10th time of every 10 s, that is 100 s.
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
}


def make_celery(broker_url: str) -> Celery:
    """A Celery app that speaks to the broker; gateway and worker set it up alike."""
    app = Celery("tcan", broker=broker_url, set_as_current=False)
    app.conf.update(
        # JSON only: a message must never be able to run code.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        broker_transport_options=TRANSPORT_OPTIONS,
        broker_connection_retry_on_startup=True,
        task_default_queue=Queue.PREPARE.task,
    )
    return app


class Hints:
    """Sends hints."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_celery(broker_url)

    def send(self, job_id: str, queue: Queue) -> None:
        """Tell the workers of a queue that a job waits in it. Raises Unavailable."""
        try:
            self._celery.send_task(queue.task, args=[job_id], queue=queue.task, retry=False)
        except (CeleryError, KombuError, OperationalError, RedisError, OSError) as error:
            raise Unavailable(f"the broker does not answer: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self._celery.close()
