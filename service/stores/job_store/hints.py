"""Hints that work exists: Celery messages that carry a job's id and nothing else.

A hint may get lost, come twice or come late: the job record decides. So a message is gone from the
broker when a worker fetches it, and the reconciler of `service.upkeep` sends missing hints again.
"""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from celery import Celery

from service.contract.queues import Queue
from service.contract.version import CONTRACT, HEADER
from service.stores.job_store.commands import Call
from service.stores.job_store.store import Jobs

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Without these a worker whose server is gone waits for ever.
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "health_check_interval": 10,
    # A hint that is fetched is not kept at the broker until its start: that writes, and a server
    # whose memory is full refuses it. What a worker takes along when it is killed in between is
    # sent again by the reconciler.
    "ack_emulation": False,
}
# Of a rediss:// that says nothing more of TLS kombu believes every certificate (`_init_params` of
# kombu/connection.py); redis-py, by which all else here speaks to the server, believes none that it
# cannot. What the address does say (ssl_ca_certs, ...) takes this one's place, and redis-py checks.
CHECKED = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def make_celery(broker_url: str) -> Celery:
    """A Celery app that speaks to the broker; `worker.celery_app` makes a consumer of it."""
    app = Celery("tcan", broker=broker_url, set_as_current=False)
    app.conf.update(
        # JSON only: a message must never be able to run code.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        broker_transport_options=TRANSPORT_OPTIONS,
        broker_use_ssl=CHECKED if urlsplit(broker_url).scheme == "rediss" else None,
        broker_connection_retry_on_startup=True,
        task_default_queue=Queue.PREPARE.task,
    )
    return app


def message(job_id: str, queue: Queue) -> str:
    """A hint as Celery's message (protocol 2) in kombu's envelope for Redis.

    The script that makes a job puts it into the queue's list itself: then no job is without its
    hint, and a submit needs no second way to the broker. `Hints` sends the same for the others.
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


@dataclass(frozen=True)
class Hints:
    """Sends hints for those that make no job.

    By a script of our own: Celery's way to publish ends where a server's memory is full.
    """

    jobs: Jobs

    def send(self, job_id: str, queue: Queue) -> None:
        """Tell the workers of a queue that a job waits in it. Raises UnavailableError."""
        self.jobs.run(Call("hint", (queue.task, message(job_id, queue)), int))
