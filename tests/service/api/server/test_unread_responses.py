"""The gateway's HTTP protocol: responses that their clients do not read."""

from __future__ import annotations

import asyncio

from service.api.server.protocol import SEND_PERIOD_S, SEND_PIECE_BYTES
from service.settings import Settings
from tests.servers import GUARD_S
from tests.service.api.server.raw_clients import Gateway, play

SCRIPT = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_response_that_is_not_read_waits_in_the_app(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(SCRIPT * 8)
        client.pause()
        async with asyncio.timeout(GUARD_S):
            while not (unsent := gateway.unsent_bytes()):
                await gateway.settle()
        await gateway.settle()
        assert unsent <= gateway.unsent_bytes() <= 3 * SEND_PIECE_BYTES

    play(folder_settings, story)


def test_request_with_others_behind_it_learns_that_its_client_left(
    folder_settings: Settings,
) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(SCRIPT * 3)
        client.pause()
        async with asyncio.timeout(GUARD_S):
            while not gateway.unsent_bytes():
                await gateway.settle()
        answered = gateway.answered()
        client.close()
        await gateway.until_open(0)
        assert (await answered.receive())["type"] == "http.disconnect"

    play(folder_settings, story)


def test_response_that_is_not_read_is_aborted(folder_settings: Settings) -> None:
    async def story(gateway: Gateway) -> None:
        client = await gateway.connect()
        await client.send(SCRIPT * 8)
        client.pause()
        while not gateway.refusals("unread"):
            await gateway.settle()
            gateway.pass_time(SEND_PERIOD_S + 1)
        await gateway.until_open(0)

    play(folder_settings, story)
