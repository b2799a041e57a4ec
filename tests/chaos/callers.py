"""Callers who ask for jobs without pause, and a receiver of their webhooks."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from service.client import Client
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.webhooks import Webhook
from service.errors import ServiceError
from tests.chaos.harm import Harm, now_ms
from tests.chaos.load import Load
from tests.chaos.starving import starved_s
from tests.service.receiver import Receiver


class Callers:
    """Makes jobs from a thread; a submit that was not answered is made again, by the same key."""

    def __init__(self, url: str, receiver: Receiver, load: Load) -> None:
        self._url = url
        self._receiver = receiver
        self._load = load
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
        self.accepted: list[str] = []
        self.accepted_ms: list[int] = []
        self.tries = 0
        self._began_ms = self._ended_ms = 0

    def start(self) -> None:
        """Begin."""
        self._began_ms = now_ms()
        self._thread.start()

    def stop(self) -> None:
        """Make no more jobs; the one that is being made is given up or made."""
        self._ended_ms = now_ms()
        self._closed.set()
        self._thread.join()

    def starved_s(self, harms: Sequence[Harm]) -> float:
        """The longest time without an accepted job; see `tests.chaos.starving`."""
        return starved_s(self._began_ms, self._ended_ms, self.accepted_ms, harms)

    def told(self) -> Counter[str]:
        """How many different messages came for each job."""
        ids = {message.id: json.loads(message.body) for message in list(self._receiver.got)}
        return Counter(body["data"]["id"] for body in ids.values())

    def _run(self) -> None:
        with Client(self._url) as client:
            while not self._closed.is_set():
                due_s = time.monotonic() + 1 / self._load.jobs_per_s
                if self._has_room(client):
                    self._make(client, JobParams(seed=1, num_inference_steps=self._steps()))
                self._closed.wait(max(0.0, due_s - time.monotonic()))

    def _has_room(self, client: Client) -> bool:
        most = self._load.most_waiting
        try:
            return most is None or len(client.jobs(states=(JobState.QUEUED,))) < most
        except ServiceError:
            return True  # who asks for a job while the service is away is answered later

    def _steps(self) -> int:
        first, last = self._load.steps
        return first + (7 * len(self.accepted)) % (last - first + 1)

    def _make(self, client: Client, params: JobParams) -> None:
        key, options = str(uuid4()), JobOptions(webhook=Webhook(url=self._receiver.url))
        while not self._closed.is_set():
            self.tries += 1
            try:
                job = client.submit(
                    self._load.image,
                    self._load.driving,
                    params,
                    options=options,
                    idempotency_key=key,
                )
            except ServiceError:
                self._closed.wait(0.5)
            else:
                self.accepted.append(job.id)
                self.accepted_ms.append(now_ms())
                return
