"""`Prefer: wait=N`: an answer that comes when the job has ended, or after N seconds."""

from __future__ import annotations

import logging
import re
import time

from service.auth.authenticator import Caller
from service.contract.job import JobRecord
from service.errors import UnavailableError
from service.events.hub import EventHub
from service.gateway import Gateway
from service.stores.job_store.commands import JobSnapshot

logger = logging.getLogger(__name__)

POLL_AFTER_S = 1
MAX_WAIT_S = 60
# In a request's scope: seconds of it that its caller wished to wait.
WAITED_S = "tcan.waited_s"

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


async def wait_for_end(
    gateway: Gateway, caller: Caller, snapshot: JobSnapshot, wait_s: float
) -> JobSnapshot:
    """The job once it has ended, or as it stands after `wait_s`; sooner when the gateway ends.

    The job is there, whatever happens now: a store that is lost meanwhile takes nothing from it, so
    the caller gets what is known.
    """
    deadline = time.monotonic() + wait_s
    record = snapshot.record
    if record.state.is_terminal:
        return snapshot
    try:
        await _end(gateway.events, record, deadline)
        return await gateway.read(record.id, caller)
    except UnavailableError as error:
        logger.warning("job %s: nobody can wait for its end: %s", record.id, error)
        return snapshot


async def _end(hub: EventHub, record: JobRecord, deadline: float) -> None:
    """Return with the job's last event, at the deadline, or when the gateway ends."""
    seen = record.version
    async with hub.watch(record.id, seen) as feed:
        while not hub.closing:
            frames = await feed.after(seen)
            if frames and not frames[-1].last:
                seen = frames[-1].version
            elif frames or seen < feed.newest:  # it has ended, or was erased meanwhile
                return
            elif not await feed.changed(deadline - time.monotonic()):
                return
