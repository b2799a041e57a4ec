"""Wake-up messages to workers ("hints" in names): Celery messages that carry only a job's id.

A message may be lost, repeated or late; the job record is the truth. So a message leaves the broker
when a worker fetches it, and the reconciler sends missing messages again.
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
from service.stores.job_store.commands import Command
from service.stores.job_store.store import JobStore

TRANSPORT_OPTIONS: dict[str, Any] = {
    # Without these a worker waits for ever for a lost server.
    "socket_connect_timeout": 2.0,
    "socket_timeout": 5.0,
    "health_check_interval": 10,
    # Fetched messages are not kept at the broker until acknowledged: that needs writes, which a
    # server with full memory refuses. The reconciler replaces messages lost with a killed worker.
    "ack_emulation": False,
}
# For a rediss:// URL without TLS options kombu accepts any certificate (`_init_params` in
# kombu/connection.py). This makes it verify, as redis-py does; options in the URL take precedence.
VERIFY_TLS = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
NO_CALLBACKS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def make_celery(broker_url: str) -> Celery:
    """Return a Celery app for the broker; `worker.celery_app` makes a consumer of it."""
    app = Celery("tcan", broker=broker_url, set_as_current=False)
    app.conf.update(
        # JSON only: a message must not be able to run code.
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        broker_transport_options=TRANSPORT_OPTIONS,
        broker_use_ssl=VERIFY_TLS if urlsplit(broker_url).scheme == "rediss" else None,
        broker_connection_retry_on_startup=True,
        task_default_queue=Queue.PREPARE.task,
    )
    return app


def message(job_id: str, queue: Queue) -> str:
    """Return a wake-up message of Celery (protocol 2) in kombu's envelope for Redis.

    The script that creates a job pushes it to the queue's list, so that every job has its
    message and a submit needs no second round trip. `HintSender` sends all others.
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
class HintSender:
    """Sends wake-up messages for jobs that exist.

    It uses a script, which a server with full memory allows; Celery's own `publish` is refused.
    """

    jobs: JobStore

    def send(self, job_id: str, queue: Queue) -> None:
        """Wake up the workers of a queue because a job waits. Raises UnavailableError."""
        arguments = {"id": job_id, "list": queue.task, "hint": message(job_id, queue)}
        self.jobs.run(Command("send_hint", arguments, int))
