"""Limits on what a client may hold of a gateway: connections, streams and time."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from pydantic import BaseModel, ConfigDict, Field, field_validator


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
        description="Addresses and networks of proxies that limit connections per address "
        "themselves, separated by commas, such as 10.2.0.0/16; only the limit on all connections "
        "applies to them.",
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

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `trusted_proxies`."""
        return _networks(self.trusted_proxies)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    words = (word.strip() for word in text.split(","))
    return tuple(_network(word) for word in words if word)


def _network(word: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(word)
    except ValueError as error:
        raise ValueError(f"{error}; give addresses and networks like 10.2.0.0/16") from error
