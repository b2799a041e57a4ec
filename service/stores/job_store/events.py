"""Job events: a Redis stream per job, written by the scripts that change the record.

Each change raises the record's `version`, which is the id of its event, so events have no gaps, and
a record's `version` names the event that it agrees with. The last 10,000 events of a job are kept;
a quarter of an hour after its end, only its last 100 changes of state.

Keys in Redis: `events:{job}`, the stream; `untrimmed`, ended jobs by the time at which their events
are trimmed.

An event holds the job's snapshot without the fields that never change; `events` reads those from
the record. The channel `changes` publishes ids of jobs that have a new event and nothing else; a
reader that misses a message finds the event in the stream. Events of kind `queue` are not stored:
gateways make them for their readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from service.contract.events import EventKind
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import JobSnapshot, parse_snapshot

CHANNEL = "changes"
MAX_EVENTS = 100


class JobEvent(NamedTuple):
    """One change of a job.

    Attributes:
        version: number of the event; 1 is the first.
        kind: what changed.
        snapshot: the job after the change.
    """

    version: int
    kind: EventKind
    snapshot: JobSnapshot


def events(job_id: str, after: int, limit: int = MAX_EVENTS) -> Command[list[JobEvent]]:
    """List up to `limit` events after version `after`, oldest first; none for an unknown job."""
    return Command("events", {"id": job_id, "after": after, "limit": limit}, _events)


def moved(positions: Mapping[str, int]) -> Command[list[JobSnapshot]]:
    """Return those jobs that wait, but at another position than the given one."""
    arguments = {"positions": dict(positions)}
    return Command("moved", arguments, lambda reply: [*map(parse_snapshot, reply)])


def _events(reply: tuple[list[str], list[tuple[str, list[str]]]]) -> list[JobEvent]:
    static, entries = reply
    return [_event(static, name, fields) for name, fields in entries]


def _event(static: list[str], name: str, fields: list[str]) -> JobEvent:
    entry = dict(zip(fields[::2], fields[1::2], strict=True))
    pairs, position, now_ms, forecast = json.loads(entry["placed"])
    snapshot = parse_snapshot((static + pairs, position, int(now_ms), forecast))
    return JobEvent(int(name.split("-")[0]), EventKind(entry["kind"]), snapshot)
