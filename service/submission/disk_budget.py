"""Limit on the disk space that incoming files of all requests use together."""

from __future__ import annotations

from threading import Lock

from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError
from service.input_limits import MIB, InputLimits

# Typical time to receive and store a big body.
RETRY_S = 5


class DiskBudget:
    """Bytes that the spool folder may hold. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._used = 0
        self._lock = Lock()

    @property
    def used_bytes(self) -> int:
        """Bytes that are reserved."""
        return self._used

    def reserve(self, size_bytes: int) -> None:
        """Reserve bytes. Raises RejectedError (`unavailable`) when too few are left."""
        with self._lock:
            if size_bytes > self._limit - self._used:
                raise RejectedError(
                    ErrorCode.UNAVAILABLE,
                    f"spool full: {self._used:,} of {self._limit:,} bytes are in use, "
                    f"{size_bytes:,} more do not fit; retry later",
                    headers={"Retry-After": str(RETRY_S)},
                )
            self._used += size_bytes

    def release(self, size_bytes: int) -> None:
        """Release reserved bytes."""
        with self._lock:
            self._used -= size_bytes


def open_disk_budget(limit_bytes: int, limits: InputLimits) -> DiskBudget:
    """Return a gateway's budget. Raises SettingsError when the largest request does not fit.

    This is checked here and not when settings are read, because workers read the same limits and
    have no spool.
    """
    minimum = sum(limits.max_bytes().values()) + MIB
    if limit_bytes < minimum:
        raise SettingsError(
            f"TCAN_SPOOL_BYTES is {limit_bytes}, but one request may need {minimum} bytes by the "
            f"limits TCAN_LIMITS__*; raise it or lower the limits"
        )
    return DiskBudget(limit_bytes)
