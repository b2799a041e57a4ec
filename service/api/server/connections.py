"""Open connections of a gateway: how many there are, from where, and how long each may wait."""

from __future__ import annotations

import resource
from collections import Counter
from typing import Protocol

from service.api.server.refusals import Refusal
from service.http_limits import HttpLimits
from service.telemetry.metrics import GatewayMetrics

# Descriptors for the stores, webhooks and child processes.
RESERVED_DESCRIPTORS = 512
# A connection, and a file or an outgoing connection of its request.
DESCRIPTORS_EACH = 2
# Bytes of all incomplete heads together. Beyond them, heads up to the second size are still read:
# a few clients with long heads must not stop those of all others.
MAX_UNFINISHED_BYTES = 32 * 1024 * 1024
SMALL_HEAD_BYTES = 4 * 1024


class Connection(Protocol):
    """A connection, as far as the registry uses it."""

    def check(self, now_s: float) -> None:
        """Close the connection if it has waited for its client for too long."""


class Connections:
    """The open connections of a gateway.

    Args:
        limits: limits of the settings.
        metrics: receives the number of connections and of refusals.

    Attributes:
        limit: connections that may be open at a time.
        unfinished_bytes: bytes of heads that are not complete yet.
    """

    def __init__(self, limits: HttpLimits, metrics: GatewayMetrics) -> None:
        self.limits = limits
        self.limit = min(limits.connections, allowed_by_descriptors())
        self.unfinished_bytes = 0
        self._address_limit = min(limits.connections_per_address, max(1, self.limit * 3 // 4))
        self._open: dict[Connection, str] = {}
        self._by_address: Counter[str] = Counter()
        self._metrics = metrics
        metrics.connection_limit.set(self.limit)
        for refusal in Refusal:  # a series that begins at its first refusal hides that one
            metrics.refusals.labels(refusal)

    def admit(self, connection: Connection, address: str) -> Refusal | None:
        """Count a new connection, or return why there may not be one more.

        Args:
            address: the client's IP address; empty for a Unix socket.
        """
        network = self.limits.client_network(address)
        if len(self._open) >= self.limit:
            return Refusal.CONNECTIONS
        if network and self._by_address[network] >= self._address_limit:
            return Refusal.ADDRESS
        self._open[connection] = network
        self._by_address[network] += 1
        self._metrics.connections.set(len(self._open))
        return None

    def remove(self, connection: Connection) -> None:
        """Forget a connection that was closed."""
        network = self._open.pop(connection, None)
        if network is None:
            return
        self._by_address[network] -= 1
        if not self._by_address[network]:
            del self._by_address[network]
        self._metrics.connections.set(len(self._open))

    def count(self, refusal: Refusal) -> None:
        """Count a refusal."""
        self._metrics.refusals.labels(refusal).inc()

    def check(self, now_s: float) -> None:
        """Close connections that have waited for their clients for too long.

        Args:
            now_s: time of the event loop.
        """
        for connection in tuple(self._open):
            connection.check(now_s)


def allowed_by_descriptors() -> int:
    """Return how many connections the process's descriptors allow, at least one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 1_000_000
    return max(1, (soft - min(RESERVED_DESCRIPTORS, soft // 2)) // DESCRIPTORS_EACH)
