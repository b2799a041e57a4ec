"""Callers that submit jobs continuously, and a receiver of their webhooks."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from tcan_client import Client, ClientError, JobOptions, JobParams, JobState, Webhook
from tests.chaos.faults import Fault, now_ms
from tests.chaos.load import Load
from tests.chaos.submit_gap import longest_gap_s
from tests.service.receiver import Receiver


class Callers:
    """A thread that submits jobs; unanswered submits are repeated with the same idempotency key."""

    def __init__(self, url: str, receiver: Receiver, load: Load) -> None:
        self._url = url
        self._receiver = receiver
        self._load = load
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callers", daemon=True)
        self.accepted: list[str] = []
        self.accepted_ms: list[int] = []
        self.attempts = 0
        self._began_ms = self._ended_ms = 0

    def start(self) -> None:
        """Start submitting."""
        self._began_ms = now_ms()
        self._thread.start()

    def stop(self) -> None:
        """Stop submitting; the current submit succeeds or is abandoned."""
        self._ended_ms = now_ms()
        self._closed.set()
        self._thread.join()

    def longest_gap_s(self, faults: Sequence[Fault]) -> float:
        """Return the longest time without an accepted job; see `tests.chaos.submit_gap`."""
        return longest_gap_s(self._began_ms, self._ended_ms, self.accepted_ms, faults)

    def message_counts(self) -> Counter[str]:
        """Count the different webhook messages by job."""
        ids = {message.id: json.loads(message.body) for message in list(self._receiver.messages)}
        return Counter(body["data"]["id"] for body in ids.values())

    def _run(self) -> None:
        with Client(self._url) as client:
            while not self._closed.is_set():
                due_s = time.monotonic() + 1 / self._load.jobs_per_s
                if self._has_room(client):
                    self._submit(client, JobParams(seed=1, num_inference_steps=self._steps()))
                self._closed.wait(max(0.0, due_s - time.monotonic()))

    def _has_room(self, client: Client) -> bool:
        limit = self._load.most_waiting
        try:
            return limit is None or len(client.jobs(states=(JobState.QUEUED,))) < limit
        except ClientError:
            return True  # the service is unavailable; the submit is repeated until it succeeds

    def _steps(self) -> int:
        first, last = self._load.steps
        return first + (7 * len(self.accepted)) % (last - first + 1)

    def _submit(self, client: Client, params: JobParams) -> None:
        key, options = str(uuid4()), JobOptions(webhook=Webhook(url=self._receiver.url))
        while not self._closed.is_set():
            self.attempts += 1
            try:
                job = client.submit(
                    self._load.image,
                    self._load.driving,
                    params,
                    options=options,
                    idempotency_key=key,
                )
            except ClientError:
                self._closed.wait(0.5)
            else:
                self.accepted.append(job.id)
                self.accepted_ms.append(now_ms())
                return
