"""Listener for cancel requests, so that a job stops at its next window.

A message only names a job: the runner then checks the lease in the store, which is the truth. A
message missed while the store is unavailable is made up for by the next renewal of the lease.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Self

from service.stores.job_store.store import PREFIX, JobStore
from worker.runtime.periodic import Periodic

CHANNEL = "cancels"
# How soon the end of the `with` block is noticed, and how soon a lost connection is reopened.
POLL_S = 0.5
RECONNECT_S = 1.0


class CancelListener:
    """Listens in a thread of its own during a `with` block.

    Args:
        on_cancel: called with the id of each job whose cancel is requested.
    """

    def __init__(self, jobs: JobStore, on_cancel: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._on_cancel = on_cancel
        self._closed = threading.Event()
        # A lost connection is logged and reopened.
        self._listening = Periodic("cancel listener", RECONNECT_S, self._listen)

    def __enter__(self) -> Self:
        self._listening.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._listening.__exit__(*raised)

    def _listen(self) -> None:
        pubsub = self._jobs.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with pubsub:
            pubsub.subscribe(f"{PREFIX}{CHANNEL}")
            while not self._closed.is_set():
                message = pubsub.get_message(timeout=POLL_S)
                if message is not None:
                    self._on_cancel(str(message["data"]))
