"""Hints that work exists: Celery messages that carry a job's id and nothing else.

A hint may get lost, come twice or come late: the job record decides. So a message is acknowledged
as soon as a worker starts on it, and the reconciler of `worker` sends missing hints again. The
numbers behind the options below are in `docs/decisions` and were measured on Celery and kombu 5.7.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.exceptions import CeleryError
from kombu.exceptions import KombuError, OperationalError
from redis.exceptions import RedisError

from service.contract.queues import Queue
from service.contract.version import CONTRACT, HEADER
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


NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


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


def message(job_id: str, queue: Queue) -> str:
    """A hint as Celery's message (protocol 2) in kombu's envelope for Redis.

    The script that makes a job puts it into the queue's list itself: then no job is without its
    hint, and a submit needs no second way to the broker.
    """
    tag = str(uuid4())
    body = json.dumps([[job_id], {}, NO_CALLBACKS]).encode()
    envelope = {
        "body": b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {
            "lang": "py",
            "task": queue.task,
            "id": job_id,
            "root_id": job_id,
            "parent_id": None,
            "group": None,
            "argsrepr": repr([job_id]),
            "kwargsrepr": "{}",
            "retries": 0,
            "timelimit": [None, None],
            "eta": None,
            "expires": None,
            HEADER: CONTRACT,
        },
        "properties": {
            "correlation_id": job_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue.task},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": tag,
        },
    }
    return json.dumps(envelope)


class Hints:
    """Sends hints by Celery itself, for those that make no job."""

    def __init__(self, broker_url: str) -> None:
        self._celery = make_celery(broker_url)

    def send(self, job_id: str, queue: Queue) -> None:
        """Tell the workers of a queue that a job waits in it. Raises Unavailable."""
        try:
            self._celery.send_task(
                queue.task,
                args=[job_id],
                queue=queue.task,
                retry=False,
                headers={HEADER: CONTRACT},
            )
        except (CeleryError, KombuError, OperationalError, RedisError, OSError) as error:
            raise Unavailable(f"the broker does not answer: {error}") from error

    def close(self) -> None:
        """Give the connections back."""
        self._celery.close()
