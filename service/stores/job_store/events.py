"""A job's events: a Redis stream per job, written by the scripts that change the record.

Each change raises the record's `version`, which is the id of its event; so events come without
gaps, and a poll tells by its `version` which event it agrees with. Of a job that is passed on for
days the last 10,000 are kept. An event holds what a poll would have seen at that moment, apart from
what never changes: `events` reads that from the record. The channel `changes` says which job has a
new event; it carries nothing else, and who misses a message finds the event in the stream.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from service.contract.events import EventKind
from service.stores.job_store.commands import Call, Placed, read_placed

CHANNEL = "changes"
MOST_AT_ONCE = 100


class JobEvent(NamedTuple):
    """One change of a job: its number (1 is the first), what changed, the job as it then stood."""

    version: int
    kind: EventKind
    placed: Placed


def events(job_id: str, after: int, limit: int = MOST_AT_ONCE) -> Call[list[JobEvent]]:
    """Up to `limit` events behind the version `after`, oldest first; none of an unknown job."""
    return Call("events", (job_id, after, limit), _events)


def _events(reply: tuple[list[str], list[tuple[str, list[str]]]]) -> list[JobEvent]:
    static, entries = reply
    return [_event(static, name, fields) for name, fields in entries]


def _event(static: list[str], name: str, fields: list[str]) -> JobEvent:
    entry = dict(zip(fields[::2], fields[1::2], strict=True))
    pairs, place, now_ms, forecast = json.loads(entry["placed"])
    placed = read_placed((static + pairs, place, int(now_ms), forecast))
    return JobEvent(int(name.split("-")[0]), EventKind(entry["kind"]), placed)
