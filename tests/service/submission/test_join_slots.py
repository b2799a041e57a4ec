"""Joins of uploads: few at a time, and not all of one caller."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.errors import RejectedError
from service.submission.join_slots import JOINS, JOINS_PER_CALLER, JoinSlots


def test_caller_with_its_share_is_refused_and_others_wait_for_a_slot() -> None:
    async def story() -> None:
        slots = JoinSlots()
        async with AsyncExitStack() as held:
            for number in range(JOINS):
                await held.enter_async_context(slots.hold(str(number // JOINS_PER_CALLER)))
            with pytest.raises(RejectedError, match="2 of your uploads are being joined") as raised:
                await held.enter_async_context(slots.hold("0"))
            assert raised.value.headers == {"Retry-After": "5"}
            last = AsyncExitStack()
            waiting = asyncio.create_task(last.enter_async_context(slots.hold("new")))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        await last.aclose()
        async with slots.hold("0"):
            pass

    asyncio.run(story())
