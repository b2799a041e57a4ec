"""The time limit of a wait."""

from __future__ import annotations

import time

from tcan_client.errors import WaitTimeoutError

# An event stream is silent for up to 15 s; closer to its end, a wait asks instead of listening.
MAX_SILENCE_S = 20.0


class Deadline:
    """The end of a wait for a job.

    Args:
        timeout_s: seconds from now; None waits for ever.
    """

    def __init__(self, job_id: str, timeout_s: float | None) -> None:
        self._job_id = job_id
        self._timeout_s = timeout_s
        self._started_s = time.monotonic()

    def check(self) -> None:
        """Raise WaitTimeoutError once the time is over."""
        if self._timeout_s is not None and self._left_s() <= 0:
            raise WaitTimeoutError(self._job_id, self._timeout_s)

    @property
    def is_far(self) -> bool:
        """True if the wait may listen to a silent event stream."""
        return self._left_s() > MAX_SILENCE_S

    def _left_s(self) -> float:
        limit_s = float("inf") if self._timeout_s is None else self._timeout_s
        return self._started_s + limit_s - time.monotonic()
