"""How much of the disk all requests of a gateway may hold together while they come in."""

from __future__ import annotations

from threading import Lock

from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError
from service.input_limits import MIB, InputLimits

# A big body takes about this long to come and to be stored.
RETRY_S = 5


class Room:
    """Bytes of the spool. Threads may share it."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._taken = 0
        self._lock = Lock()

    @property
    def taken_bytes(self) -> int:
        """That are spoken for."""
        return self._taken

    def take(self, size_bytes: int) -> None:
        """Take so many more, at once. Raises RejectedError (`unavailable`) when there are fewer."""
        with self._lock:
            left = self._most - self._taken
            if size_bytes > left:
                raise RejectedError(
                    ErrorCode.UNAVAILABLE,
                    f"{self._taken:,} of {self._most:,} bytes that may come in at a time do so; "
                    f"{size_bytes:,} more must wait",
                    headers={"Retry-After": str(RETRY_S)},
                )
            self._taken += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """What was taken is free again."""
        with self._lock:
            self._taken -= size_bytes


def open_room(most_bytes: int, limits: InputLimits) -> Room:
    """A gateway's room. Raises SettingsError when a request of the largest size has none.

    Asked here and not where settings are read: workers hold to the same limits and have no room.
    """
    least = limits.max_image_bytes + limits.max_driving_bytes + MIB
    if most_bytes < least:
        raise SettingsError(
            f"TCAN_SPOOL_BYTES: is {most_bytes}; one request may need {least}, by TCAN_LIMITS__*"
        )
    return Room(most_bytes)
