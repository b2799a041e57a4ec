"""Classification of addresses, and spellings that the resolver accepts."""

from __future__ import annotations

import asyncio

import pytest

from service.errors import SettingsError
from service.outbound.addresses import is_public, parse_address
from service.outbound.guard import AddressRefusedError, Guard

REFUSED = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",  # metadata of most clouds
    "100.100.100.200",  # and of Alibaba, in the space of carriers' NAT
    "168.63.129.16",  # Azure's host
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:808:808:0:0:80ff:fffe",  # Teredo, whose client is 127.0.0.1
    "2600::5efe:127.0.0.1",
    "2600::200:5efe:10.0.0.1",
    "ff05::5efe:8.8.8.8",
)
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")


@pytest.mark.parametrize("text", REFUSED)
def test_non_public_addresses_are_refused(text: str) -> None:
    assert not is_public(parse_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_internet_addresses_are_public(text: str) -> None:
    assert is_public(parse_address(text))


def where(guard: Guard, host: str) -> list[str]:
    """Return the allowed addresses of the host."""
    return asyncio.run(guard.addresses(host, 80))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0", "localhost"],
)
def test_all_spellings_of_an_address_are_resolved(host: str) -> None:
    with pytest.raises(AddressRefusedError) as refused:
        where(Guard(), host)
    assert refused.value.detail.startswith(f"{host}: does not resolve to a public address")


def test_host_with_one_private_address_is_refused() -> None:
    async def answers(host: str, port: int) -> list[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(AddressRefusedError):
        where(Guard(resolve=answers), "two-faced.example")


def test_allow_list_accepts_host_address_and_network() -> None:
    async def inner(host: str, port: int) -> list[str]:
        return ["10.1.2.3"]

    for allowed in (
        "assets.studio.example",
        "10.1.2.3",
        "10.1.0.0/16, 10.2.0.0/16",
        "Assets.Studio.Example.",
    ):
        guard = Guard.allowing(allowed)
        guard = Guard(guard.hosts, guard.networks, inner)
        assert where(guard, "assets.studio.example") == ["10.1.2.3"]
    for other in ("", "studio.example", "10.2.0.0/16"):
        guard = Guard.allowing(other)
        with pytest.raises(AddressRefusedError):
            where(Guard(guard.hosts, guard.networks, inner), "assets.studio.example")


@pytest.mark.parametrize(
    "word",
    [
        *("10.0.0.0/99", "http://a.example", "a.example:80", "*.a.example", "*", ".a.example"),
        *(
            "a..example",
            "10.1.2",
            "10.1.2.300",
            "a b",
            "a.example/x",
            "u@a.example",
            "m\u00fcller.de",
        ),
    ],
)
def test_invalid_allow_list_entry_raises_settings_error(word: str) -> None:
    with pytest.raises(SettingsError, match="neither a host name, an address nor a") as refused:
        Guard.allowing(f"good.example, {word}")
    assert repr(word) in str(refused.value)
