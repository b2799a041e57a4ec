"""The gateway's HTTP protocol: what clients may send and hold, with a clock of the test's own."""

from __future__ import annotations

import asyncio

import pytest

from service.api.server.connections import allowed_by_descriptors
from service.api.server.protocol import BODY_PERIOD_S, DRAIN_BYTES, DRAIN_S
from service.api.server.refusals import MAX_HEAD_BYTES, MAX_HEADERS
from service.contract.job import ANONYMOUS
from service.contract.params import JobParams
from service.http_limits import HttpLimits
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tests.service.api.server.raw_clients import GET, HEAD_TIMEOUT_S, POST, Gateway, play
from tests.service.stores.job_store.records import INPUTS

LONG_HEADS = {
    "one header": [GET + b"X: ", *[b"a" * 1000] * 70],
    "one header in one piece": [GET + b"X: " + b"a" * 10_000_000],
    "its name": [GET, *[b"a" * 1000] * 70],
    "the path": [b"GET /", *[b"a" * 1000] * 70],
    "the method": [b"G" * 70_000],
    "empty lines": [b"\r\n" * 40_000],
    "many headers": [GET + b"a:b\r\n" * (MAX_HEADERS + 1)],
    "many headers, complete": [GET + b"a:b\r\n" * (MAX_HEADERS + 1) + b"\r\n"],
    "complete": [GET + b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n"],
    "trailers": [POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 100_000],
    "a chunk's extension": [POST + b"Transfer-Encoding: chunked\r\n\r\n1;x=" + b"a" * 100_000],
}


def test_long_head_is_refused_and_its_connection_closed(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        for name, pieces in LONG_HEADS.items():
            client = await gateway.connect()
            sending = asyncio.create_task(client.send(*pieces))
            if name == "the method":  # no request, whatever its length
                assert (await client.answer())[0] == 400
            else:
                answer = await client.problem(431, "head_too_large")
                assert str(MAX_HEAD_BYTES) in answer["detail"], name
            gateway.pass_time(DRAIN_S + 1)
            assert await client.closed() == b"", name
            await asyncio.wait([sending])
        assert gateway.refusals("head_size") == len(LONG_HEADS) - 1

    play(folder_settings, story)


def test_head_within_the_limit_is_answered(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        for length in (1, 1000, MAX_HEAD_BYTES - len(GET) - len(b"X: \r\n\r\n")):
            await client.send(GET + b"X: " + b"a" * length + b"\r\n\r\n")
            assert (await client.answer())[0] == 200
        for byte in GET + b"\r\n":
            await client.send(bytes([byte]))
        assert (await client.answer())[0] == 200
        # Several requests in one piece.
        await client.send((GET + b"\r\n") * 3)
        assert [(await client.answer())[0] for _ in range(3)] == [200, 200, 200]

    play(folder_settings, story)


def test_flood_of_pipelined_requests_is_closed(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send((GET + b"\r\n") * 5000)
        assert (await client.closed()).count(b"HTTP/1.1 200") <= 10
        assert gateway.refusals("head_size") == 1

    play(folder_settings, story)


def test_invalid_request_is_answered_with_the_security_headers(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(b"this is no HTTP\r\n\r\n")
        status, headers, _ = await client.answer()
        assert (status, headers["x-content-type-options"]) == (400, "nosniff")
        assert headers["content-security-policy"] == "frame-ancestors 'none'"
        assert gateway.refusals("malformed") == 1

    play(folder_settings, story)


def test_request_for_another_protocol_is_the_last_of_its_connection(
    folder_settings: Settings,
) -> None:
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"

    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(GET + upgrade + b"\r\n" + GET)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await client.closed() == b""

    play(folder_settings, story)


def test_request_with_two_hosts_is_refused(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        for second in (b"Host: 127.0.0.1", b"hOST: other.example", b"Host:"):
            client = await gateway.connect()
            await client.send(GET + second + b"\r\n\r\n" + GET + b"\r\n")
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (400, "close")
            assert await client.closed() == b""

    play(folder_settings, story)


@pytest.mark.parametrize("length", [b"Content-Length: 42", b"Transfer-Encoding: chunked"])
def test_body_of_a_request_for_another_protocol_is_no_request(
    folder_settings: Settings, length: bytes
) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + length + b"\r\n\r\n")
        assert (await client.answer())[0] == 400
        await client.send(GET + b"\r\n")
        await gateway.settle()
        gateway.pass_time(DRAIN_S + 1)
        assert await client.closed() == b""
        assert gateway.refusals("malformed") == 1

    play(folder_settings, story)


@pytest.mark.parametrize(
    "sent", [b"", b"G", GET, b"\r\n", GET + b"\r\n" + GET], ids=["", "G", "head", "line", "second"]
)
def test_incomplete_head_is_closed_after_its_time(folder_settings: Settings, sent: bytes) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(sent)
        is_second = sent.count(b"GET") == 2
        if is_second:
            assert (await client.answer())[0] == 200
        await gateway.until_open(1)
        await gateway.settle()
        gateway.pass_time(HEAD_TIMEOUT_S - 1)
        assert gateway.refusals("head_time") == 0
        gateway.pass_time(HEAD_TIMEOUT_S + 1)
        gateway.pass_time(DRAIN_S + 1)
        rest = await client.closed()
        assert rest.startswith(b"HTTP/1.1 408") if b"G" in sent else rest == b""

    play(folder_settings, story)


def test_time_for_a_head_does_not_begin_again_with_each_byte(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await gateway.until_open(1)
        for second in (4, 8):
            await client.send(b"\r\n")
            gateway.pass_time(second)
        assert gateway.refusals("head_time") == 0
        gateway.pass_time(HEAD_TIMEOUT_S + 1)
        assert await client.closed() == b""
        assert gateway.refusals("head_time") == 1

    play(folder_settings, story)


def test_half_a_head_during_a_stream_is_closed_after_its_time(
    folder_settings: Settings, jobs: JobStore
) -> None:
    jobs.run(commands.create("a", JobParams(), INPUTS, caller=ANONYMOUS))
    events = GET.replace(b"/healthz", b"/jobs/a/events") + b"\r\n"

    async def story(gateway: Gateway) -> None:
        for half, expected in ((b"", 0), (GET, 1)):
            client = await gateway.connect()
            await client.send(events)
            assert (await client.answer())[0] == 200
            await client.send(half)
            await gateway.settle()
            await gateway.until_open(1)
            gateway.pass_time(HEAD_TIMEOUT_S + 1)
            assert gateway.refusals("head_time") == expected
            client.close()
            await gateway.until_open(0)

    play(folder_settings, story)


def test_slow_body_is_refused(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(POST + b"Content-Length: 1000\r\n\r\n")
        await gateway.until_open(1)
        await client.send(b'{"')
        await gateway.settle()
        gateway.pass_time(BODY_PERIOD_S - 1)
        assert gateway.refusals("body_pace") == 0
        gateway.pass_time(BODY_PERIOD_S + 1)
        gateway.pass_time(DRAIN_S + 1)
        await client.problem(408, "request_timeout")
        assert await client.closed() == b""
        assert gateway.refusals("body_pace") == 1

    play(folder_settings, story)


def test_long_refused_body_is_not_read(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(POST + b"X-API-Key: wrong\r\nContent-Length: 200000000\r\n\r\n")
        await client.problem(401, "unauthorized")
        sending = asyncio.create_task(client.send(*[bytes(100_000)] * 2000))
        await gateway.settle()
        gateway.pass_time(DRAIN_S + 1)
        await asyncio.wait([sending])
        assert isinstance(sending.exception(), ConnectionError)

    play(folder_settings, story)


def test_connection_continues_after_a_refused_body_that_was_complete(
    folder_settings: Settings,
) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        head = POST + b"X-API-Key: wrong\r\nContent-Length: 5000\r\n\r\n"
        await client.send(head + bytes(5000))
        assert "connection" not in (await client.answer())[1]
        await client.send(GET + b"\r\n")
        assert (await client.answer())[0] == 200
        await client.send(head)
        assert (await client.answer())[1]["connection"] == "close"
        await client.send(bytes(DRAIN_BYTES))
        gateway.pass_time(DRAIN_S + 1)
        assert await client.closed() == b""

    play(folder_settings, story)


def test_connections_of_an_address_are_limited(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        clients = [await gateway.connect() for _ in range(3)]
        await gateway.until_open(3)
        more = await gateway.connect()
        await more.problem(429, "too_many_connections")
        assert await more.closed() == b""
        assert gateway.refusals("address") == 1
        clients[0].close()
        await gateway.until_open(2)
        client = await gateway.connect()
        await client.send(GET + b"\r\n")
        assert (await client.answer())[0] == 200

    play(folder_settings, story, connections_per_address=3)


def test_all_connections_are_limited_even_those_of_proxies(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        for _ in range(8):
            await gateway.connect()
        await gateway.until_open(8)
        more = await gateway.connect()
        await more.problem(503, "unavailable")
        assert gateway.refusals("connections") == 1

    limits = {"connections": 8, "connections_per_address": 1, "trusted_proxies": "127.0.0.0/8"}
    play(folder_settings, story, **limits)


def test_incomplete_heads_share_a_limit_on_memory(
    folder_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.server.protocol.MAX_UNFINISHED_BYTES", 100_000)

    async def story(gateway: Gateway) -> None:
        clients = [await gateway.connect() for _ in range(3)]
        for client in clients[:2]:
            await client.send(GET + b"X: " + b"a" * 40_000)
        await gateway.settle()
        await clients[2].send(GET + b"X: " + b"a" * 40_000)
        await clients[2].problem(503, "unavailable")
        assert gateway.refusals("head_memory") == 1
        other = await gateway.connect()
        await other.send(GET)
        await gateway.settle()
        await other.send(b"\r\n")
        assert (await other.answer())[0] == 200

    play(folder_settings, story)


def test_addresses_of_a_network_count_together() -> None:
    network = HttpLimits(trusted_proxies="10.0.0.0/8").client_network
    assert network("2001:db8::1") == network("2001:db8::ffff:2")
    assert network("2001:db8:0:1::1") != network("2001:db8::1")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1") == "192.0.2.1"
    assert network("10.1.2.3") == network("") == ""


def test_descriptors_for_upkeep_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    for soft, expected in ((1024, 256), (20_000, 9744), (100, 25)):
        monkeypatch.setattr("resource.getrlimit", lambda _, s=soft: (s, s))
        assert allowed_by_descriptors() == expected
