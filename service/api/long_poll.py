"""`Prefer: wait=N`: respond when the job has ended, or after N seconds."""

from __future__ import annotations

import logging
import re
import time

from service.auth.authenticator import Caller
from service.errors import UnavailableError
from service.events.hub import EventHub
from service.gateway import Gateway
from service.stores.job_store.snapshots import JobSnapshot

logger = logging.getLogger(__name__)

POLL_AFTER_S = 1
MAX_WAIT_S = 60
# Key in a request's scope: seconds spent in this wait.
WAITED_S = "tcan.waited_s"

WAIT = re.compile(r"wait(?:\s*=\s*\"?([0-9]{1,9})\"?)?", re.IGNORECASE)


def requested_wait_s(prefer: str | None) -> int | None:
    """Return the seconds to wait from the header `Prefer`, at most 60, or None.

    `wait` alone means 60. Invalid values are ignored, as RFC 7240 allows.
    """
    preferences = (each.partition(";")[0].strip() for each in (prefer or "").split(","))
    match = next(filter(None, map(WAIT.fullmatch, preferences)), None)
    if match is None:
        return None
    requested = MAX_WAIT_S if match[1] is None else int(match[1])
    return min(requested, MAX_WAIT_S) or None


async def wait_for_end(
    gateway: Gateway, caller: Caller, snapshot: JobSnapshot, wait_s: float
) -> JobSnapshot:
    """Return the job when it has ended, or after `wait_s`, or when the gateway shuts down.

    If Redis stops answering meanwhile, the last known view is returned: the job was accepted.
    """
    deadline = time.monotonic() + wait_s
    record = snapshot.record
    if record.state.is_terminal:
        return snapshot
    try:
        await _wait_for_last_event(gateway.events, snapshot, deadline)
        return await gateway.read(record.id, caller)
    except UnavailableError as error:
        logger.warning("job %s: could not wait for its end: %s", record.id, error)
        return snapshot


async def _wait_for_last_event(hub: EventHub, snapshot: JobSnapshot, deadline: float) -> None:
    """Return at the job's last event, at the deadline, or when the gateway shuts down."""
    seen = snapshot.record.version
    async with hub.watch(snapshot) as feed:
        while not hub.closing:
            frames = await feed.after(seen)
            if frames and not frames[-1].last:
                seen = frames[-1].version
            elif frames or seen < feed.newest:  # the job has ended or was erased
                return
            elif not await feed.changed(deadline - time.monotonic()):
                return
