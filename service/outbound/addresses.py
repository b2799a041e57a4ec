"""Classify IP addresses as public or not.

Only resolved addresses are checked, never host names: spellings such as 127.1, 0x7f000001 or
2130706433 are left to the resolver.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Not public, though `ipaddress` calls them global: the abandoned 6to4 relays, and Azure's endpoint
# that gives credentials to virtual machines.
NOT_PUBLIC = tuple(
    IPv4Network(text) for text in ("192.88.99.0/24", "192.0.0.0/24", "168.63.129.16/32")
)
# The only part of IPv6 with public hosts. Addresses that embed an IPv4 address are checked by it.
GLOBAL_UNICAST = IPv6Network("2000::/3")
DOCUMENTATION = IPv6Network("3fff::/20")
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = (0x5EFE, 0x200_5EFE)


def parse_address(text: str) -> Address:
    """Parse a resolver's answer, without the scope after %."""
    return ip_address(text.partition("%")[0])


def embedded(address: Address) -> list[IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address embeds."""
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
    """Return whether the address is public.

    An IPv6 address that embeds an IPv4 address is public only if that is.
    """
    if isinstance(address, IPv4Address):
        special = address.is_multicast or address.is_reserved or address.is_unspecified
        listed = any(address in network for network in NOT_PUBLIC)
        return address.is_global and not special and not listed
    if not all(is_public(inner) for inner in embedded(address)):
        return False
    if address.ipv4_mapped is not None or address in NAT64:
        return True
    return address.is_global and address in GLOBAL_UNICAST and address not in DOCUMENTATION
