"""Check hosts named by callers: resolve once, then check the addresses (against SSRF)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError
from service.outbound.addresses import Address, Network, is_public, parse_address

Resolve = Callable[[str, int], Awaitable[list[str]]]
# A look-up continues after its request has ended, for up to half a minute. In that time 240
# webhooks begin to receivers that did not answer soon before; the rest is for others.
MAX_LOOKUPS = 320
MAX_LOOKUPS_PER_CALLER = 40
# The caller for whom the current task connects to a host.
CALLER_ID: ContextVar[str] = ContextVar("caller_id", default="")
# In lower case. A last part of digits only makes an address of it.
HOST_NAME = r"([a-z0-9_-]{1,63}\.)*(?![0-9]+\.?$)[a-z0-9_-]{1,63}\.?"


class AddressRefusedError(RejectedError):
    """A host that is not allowed.

    The message does not contain its addresses, which may be those of an internal network.
    """

    def __init__(self, host: str) -> None:
        super().__init__(
            ErrorCode.URL_REFUSED,
            f"{host}: does not resolve to a public address; the service's operator can allow it "
            f"by TCAN_OUTBOUND_ALLOW",
        )


class Resolver:
    """The system's resolver, in its own threads.

    A name whose servers do not answer blocks a thread for half a minute, even if the request was
    canceled. The event loop's own look-ups share a few threads, which a few such names would all
    block.

    Args:
        max_lookups: concurrent look-ups; others wait.
        max_per_caller: those of one `CALLER_ID`.
    """

    def __init__(
        self, max_lookups: int = MAX_LOOKUPS, max_per_caller: int = MAX_LOOKUPS_PER_CALLER
    ) -> None:
        self._threads = ThreadPoolExecutor(max_lookups, "look-up")
        self._shares = defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(max_per_caller)
        )

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host. Raises OSError, UnicodeError."""
        share, loop = self._shares[CALLER_ID.get()], asyncio.get_running_loop()
        await share.acquire()

        def end(ended: Future[Any]) -> None:
            with suppress(RuntimeError):  # the event loop has ended before
                loop.call_soon_threadsafe(share.release)

        look_up = self._threads.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        look_up.add_done_callback(end)
        entries = await asyncio.wrap_future(look_up)
        return list(dict.fromkeys(str(address[0]) for *_, address in entries))


@dataclass(frozen=True)
class Guard:
    """Decides where connections may go.

    Attributes:
        hosts: names that are allowed whatever they resolve to, in lower case.
        networks: addresses that are allowed although not public.
        resolve: returns a host's addresses.
    """

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    resolve: Resolve = field(default_factory=Resolver)

    @classmethod
    def allowing(cls, text: str) -> Guard:
        """Return a guard that also allows these hosts, addresses and networks, separated by commas.

        Raises:
            SettingsError: an entry is not valid.
        """
        hosts, networks = set[str](), list[Network]()
        for word in filter(None, (word.strip().lower() for word in text.split(","))):
            try:
                networks.append(ip_network(word, strict=False))
            except ValueError:
                if not re.fullmatch(HOST_NAME, word):
                    raise SettingsError(
                        f"TCAN_OUTBOUND_ALLOW: {word!r} is neither a host name, an address nor a "
                        f"network; write each name in full, without wildcard, scheme and port, "
                        f"like assets.studio.example, and the others like 10.1.2.3 or 10.0.0.0/8"
                    ) from None
                hosts.add(word.rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    async def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses of an allowed host, in the resolver's order.

        Raises:
            AddressRefusedError: one of its addresses is not allowed.
            OSError, UnicodeError: it cannot be resolved.
        """
        resolved = await self.resolve(host, port)
        is_listed = host.lower().rstrip(".") in self.hosts
        are_allowed = is_listed or all(self._allows(parse_address(each)) for each in resolved)
        if not resolved or not are_allowed:
            raise AddressRefusedError(host)
        return resolved

    def _allows(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self.networks)
