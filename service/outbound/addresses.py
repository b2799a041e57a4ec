"""Which addresses are the public internet's, whatever they are written as.

Only addresses are judged here, never the text of a name: how a host is spelled (127.1, 0x7f000001,
2130706433, a name that leads there) is the resolver's business.
"""

from __future__ import annotations

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not for us, though `ipaddress` calls them global: the relay of 6to4 is gone, and the last is where
# a virtual machine of Azure finds its host, which hands out credentials.
MORE_REFUSED: tuple[IPv4Network, ...] = (
    IPv4Network("192.88.99.0/24"),
    IPv4Network("192.0.0.0/24"),
    IPv4Network("168.63.129.16/32"),
)
# The only part of IPv6 that has public hosts; all that carries an IPv4 address is judged by that.
GLOBAL_UNICAST = IPv6Network("2000::/3")
DOCUMENTATION = IPv6Network("3fff::/20")
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = (0x5EFE, 0x200_5EFE)


def parse_address(text: str) -> Address:
    """The address that a resolver answered; a scope behind % is left out."""
    return ip_address(text.partition("%")[0])


def parse_network(text: str) -> Network:
    """A network, or one address. Raises ValueError."""
    return ip_network(text, strict=False)


def embedded(address: Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for or leads through."""
    if isinstance(address, IPv4Address):
        return []
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address in NAT64:
        return [last]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if (int(address) >> 32) & 0xFFFF_FFFF in ISATAP:
        return [last]
    return []


def is_public(address: Address) -> bool:
    """Whether a public host may have this address.

    An IPv6 address that carries an IPv4 one is at most as public as that.
    """
    if isinstance(address, IPv4Address):
        special = address.is_multicast or address.is_reserved or address.is_unspecified
        return (
            address.is_global
            and not special
            and not any(address in network for network in MORE_REFUSED)
        )
    if not all(is_public(inner) for inner in embedded(address)):
        return False
    if address.ipv4_mapped is not None or address in NAT64:
        return True
    return address.is_global and address in GLOBAL_UNICAST and address not in DOCUMENTATION
