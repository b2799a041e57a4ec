"""Where the service connects to for its callers: a host is resolved once, and judged by address."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError
from service.outbound.addresses import Address, Network, is_public, parse_address, parse_network

Resolve = Callable[[str, int], Awaitable[list[str]]]
LOOK_UPS = 100


class AddressRefusedError(RejectedError):
    """A host that callers may not have the service connect to.

    It says nothing of where the host leads: names of an inner network are not for callers.
    """

    def __init__(self, host: str) -> None:
        super().__init__(
            ErrorCode.URL_REFUSED, f"{host}: leads to an address that is not of the public internet"
        )


class Resolver:
    """The system's resolver, in threads of its own.

    A name whose servers are silent holds a thread for half a minute, whether anybody still waits
    for it or not. The event loop's own look-ups share a handful of threads, so a few such names
    would stop them all; and those that were given up count here until they end, so that a flood
    of such names takes no more threads than these.

    Args:
        at_once: look-ups; others wait until one ends, or are given up.
    """

    def __init__(self, at_once: int = LOOK_UPS) -> None:
        self._threads = ThreadPoolExecutor(at_once, "look-up")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a host. Raises OSError, UnicodeError."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class Guard:
    """Decides where connections may go.

    Attributes:
        hosts: names that lead wherever they like, in lower case.
        networks: addresses that are allowed though they are not public.
        resolve: finds a host's addresses.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    resolve: Resolve = field(default_factory=Resolver)

    @classmethod
    def allowing(cls, text: str) -> Guard:
        """A guard with exceptions: hosts, addresses and networks, with commas between them.

        Raises:
            SettingsError: one of them is none.
        """
        hosts, networks = set[str](), list[Network]()
        for word in filter(None, (word.strip().lower() for word in text.split(","))):
            try:
                networks.append(parse_network(word))
            except ValueError:
                if "/" in word or ":" in word:
                    raise SettingsError(
                        f"TCAN_OUTBOUND_ALLOW: {word!r} is neither a host nor a network; write it "
                        f"like assets.studio.example, 10.1.2.3 or 10.0.0.0/8"
                    ) from None
                hosts.add(word.rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    async def addresses(self, host: str, port: int) -> list[str]:
        """Where a connection to the host may go, in the resolver's order.

        Raises:
            AddressRefusedError: any of its addresses is refused.
            OSError, UnicodeError: it cannot be resolved.
        """
        found = await self.resolve(host, port)
        known = host.lower().rstrip(".") in self.hosts
        if not found or not (known or all(self._allows(parse_address(each)) for each in found)):
            raise AddressRefusedError(host)
        return found

    def _allows(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self.networks)
