"""`Prefer: wait=N`: an answer that comes when the job has ended, or after N seconds."""

from __future__ import annotations

import re
import time

import anyio

from service.api.callers import Caller
from service.api.deps import Gateway
from service.stores.calls import Placed

POLL_AFTER_S = 1
MAX_WAIT_S = 60
LOOK_EVERY_S = 0.1

WAIT = re.compile(r"(?:^|,)\s*wait\s*(?:=\s*\"?([0-9]{1,9})\"?)?\s*(?=,|;|$)", re.IGNORECASE)


def wished_wait_s(prefer: str | None) -> int | None:
    """Seconds that the header `Prefer` asks to wait, at most 60; None when it does not ask.

    `wait` alone stands for 60. What cannot be understood is no wish: RFC 7240 lets a server
    ignore a preference.
    """
    found = WAIT.search(prefer or "")
    if found is None:
        return None
    wished = MAX_WAIT_S if found[1] is None else int(found[1])
    return min(wished, MAX_WAIT_S) or None


async def wait_for_end(gateway: Gateway, caller: Caller, placed: Placed, wait_s: float) -> Placed:
    """The job once it has ended, or as it stands after `wait_s`."""
    deadline = time.monotonic() + wait_s
    while not placed.record.state.is_terminal and time.monotonic() < deadline:
        await anyio.sleep(LOOK_EVERY_S)
        placed = await gateway.read(placed.record.id, caller)
    return placed
