"""Hears of cancels when they are asked for, so that a job stops at its next window.

A message names a job and is a hint: the runner then asks the store, whose answer is the truth. Who
misses it, while the store is away, learns of the cancel by the next renewal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Self

from redis.exceptions import RedisError

from service.stores.job_store.store import PREFIX, Jobs

logger = logging.getLogger(__name__)

CHANNEL = "cancels"
# How soon the end of the `with` block is seen, and how soon a lost connection is made again.
LOOK_S = 0.5
RECONNECT_S = 1.0


class Cancels:
    """Listens in a thread of its own, for the length of a `with` block.

    Args:
        hear: called with the id of a job whose cancel was asked for.
    """

    def __init__(self, jobs: Jobs, hear: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._hear = hear
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="cancels", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._listen()
            except (RedisError, OSError) as error:
                logger.warning("cancels are heard of later: %s", error)
                self._closed.wait(RECONNECT_S)

    def _listen(self) -> None:
        pubsub = self._jobs.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with pubsub:
            pubsub.subscribe(f"{PREFIX}{CHANNEL}")
            while not self._closed.is_set():
                message = pubsub.get_message(timeout=LOOK_S)
                if message is not None:
                    self._hear(str(message["data"]))
