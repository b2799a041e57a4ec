"""Limits on what a client may hold of a gateway: connections, streams and time."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from pydantic import BaseModel, ConfigDict, Field, field_validator

IPV6_PREFIX = 64


class HttpLimits(BaseModel):
    """Limits on connections and on requests in transit, of each gateway."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(
        8192,
        ge=8,
        le=1_000_000,
        description="Open connections. The descriptor limit of the process may allow fewer.",
    )
    connections_per_address: int = Field(
        2048,
        ge=1,
        le=1_000_000,
        description="Open connections of one address, or of one /64 network of IPv6 addresses; at "
        "most three quarters of all.",
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of proxies that limit connections and sign-ins per "
        "address themselves, separated by commas, such as 10.2.0.0/16; only the limit on all "
        "connections applies to them.",
    )
    streams_per_caller: int = Field(
        256,
        ge=1,
        le=100_000,
        description="Event streams and requests with 'Prefer: wait' that a caller has open at a "
        "time.",
    )
    head_timeout_s: float = Field(
        10.0,
        ge=0.1,
        le=600.0,
        description="Time for the whole head of a request: its request line and headers.",
    )
    body_bytes_per_s: int = Field(
        8192,
        ge=1,
        le=100_000_000,
        description="Slowest pace of a request body, on the average of 30 s.",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        _networks(text)
        return text

    @cached_property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `trusted_proxies`."""
        return _networks(self.trusted_proxies)

    def client_network(self, address: str) -> str:
        """Return the address or network whose use is limited together.

        Args:
            address: the client's address; empty for a Unix socket.

        Returns:
            The address, for IPv6 its /64 network, for other texts the text; empty if no limit of
            its own applies: for Unix sockets and trusted proxies.
        """
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return address
        if isinstance(parsed, IPv6Address):
            parsed = parsed.ipv4_mapped or parsed
        if any(parsed in network for network in self.trusted_networks):
            return ""
        if isinstance(parsed, IPv6Address):
            return str(ip_network((parsed, IPV6_PREFIX), strict=False))
        return str(parsed)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    words = (word.strip() for word in text.split(","))
    return tuple(_network(word) for word in words if word)


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(word)
    except ValueError as error:
        raise ValueError(f"{error}; give addresses and networks like 10.2.0.0/16") from error
