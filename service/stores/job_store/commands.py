"""Every operation on jobs, described without doing it.

A `Call` names a Lua script, its arguments and how to read the reply; `job_store.store` runs it,
blocking in the worker and awaited in the gateway. Each script is atomic, so a check of a lease and
the write under it cannot be parted.

Keys, under one prefix (`tcan:`): `job:{id}` hash; `jobs:{caller}` and `jobs:{caller}:{state}`,
ids by creation; `waiting:{queue}` ids of jobs that wait by their turn,
`waiting:{queue}:age:{priority}` by creation; `turns:{priority}` the clock that turns are given by,
and each caller's next one; `deadlines` ids by their next deadline; `leases` ids by the end of
their lease;
`expiries` ids of ended jobs by the end of their time; `pace:{kind}` what the last jobs took;
`take:{name}` what a take found; and those of `presence`, `requests` and `keys` beside this.
The scripts name keys that they compute, so this needs one primary, not a Redis cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import Any, Generic, NamedTuple, TypeVar

from service.contract.errors import ErrorCode, JobError
from service.contract.job import (
    ANONYMOUS,
    Checkpoint,
    JobInputs,
    JobKind,
    JobRecord,
    Output,
    Progress,
    work_units,
)
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.version import CONTRACT, PREPARED, least_contract, stored
from service.stores.job_store.quota import FREE, Quota
from service.telemetry.context import carried

T = TypeVar("T")
Argument = str | int

SILENCE_MS = 5000
GRACE_MS = 6000


@dataclass(frozen=True)
class Call(Generic[T]):
    """One atomic operation: the script's name, its arguments, and how to read its reply."""

    script: str
    arguments: tuple[Argument, ...]
    parse: Callable[[Any], T]


class Hold(StrEnum):
    """What a worker learns of its lease with each write.

    A write that ends a stage may be repeated when its reply was lost: it says the same again.
    """

    HELD = "held"
    CANCEL = "cancel"
    """Still held, and the caller asked to cancel."""
    LOST = "lost"
    """Another may have the job: nothing was written."""


class Crowd(NamedTuple):
    """Who else is there while a job waits.

    Attributes:
        workers: that live and are ready, in the one of the job's queues that has the fewest.
        later: jobs that wait in the queue after the job's own; they go first.
        at_work: jobs that workers have now.
    """

    workers: int
    later: int
    at_work: int


class Forecast(NamedTuple):
    """What past jobs of the same kind tell of this one; times are those of workers at work.

    Attributes:
        own_s: what this job should take, by its size.
        usual_s: what a job takes on average.
        error: mean relative error of past estimates; None before there are any.
        estimates: how many of them.
        crowd: None when the job does not wait.
    """

    own_s: float
    usual_s: float
    error: float | None
    estimates: int
    crowd: Crowd | None = None


class Placed(NamedTuple):
    """A job as it stood at one moment.

    Attributes:
        position: its place in its queue (0 is next), None when it does not wait.
        now_ms: the moment, by the server's clock.
        forecast: None before a job of its kind has ended.
    """

    record: JobRecord
    position: int | None
    now_ms: int
    forecast: Forecast | None


class Cursor(NamedTuple):
    """The last job of a page; the next one goes on behind it, whether it still exists or not."""

    created_ms: int
    job_id: str


def create(
    job_id: str,
    params: JobParams,
    inputs: JobInputs,
    *,
    kind: JobKind = JobKind.ANIMATE,
    options: JobOptions | None = None,
    caller: str = ANONYMOUS,
    idempotency_key: str = "",
    key_owner: str = "",
    keep_key_ms: int = 0,
    hint: str = "",
    quota: Quota = FREE,
    contract: int = 1,
) -> Call[Placed]:
    """Make the job; it waits in the first queue. Making it again changes nothing.

    An idempotency key that its owner claimed leads to the job from now on; RejectedError
    (`idempotency_key_in_use`) when the claim is lost.

    Args:
        contract: workers that know a lower one leave the job to others; fields in use may need a
            higher one.
        hint: goes to the first queue's workers with the job, see `hints.message`.
        quota: what the job is weighed against; RejectedError (`quota_exceeded`) if exceeded.
    """
    models = {"params": params, "inputs": inputs, "options": options or JobOptions()}
    fields = [text for name, model in models.items() for text in (name, stored(model))]
    units = work_units(inputs, params)
    known = (job_id, Queue.PREPARE, caller, units, idempotency_key, keep_key_ms)
    hinted = (Queue.PREPARE.task, hint, *quota)
    fields += [text for pair in carried().items() for text in pair]
    fields += ["contract", str(max(contract, least_contract(*models.values())))]
    return Call("create", (*known, *hinted, key_owner, "kind", kind, *fields), read_placed)


def read(job_id: str) -> Call[Placed | None]:
    """The job and its place in the queue; None when there is no such job."""
    return Call("read", (job_id,), _placed_or_none)


def recent(
    limit: int,
    after: Cursor | None = None,
    *,
    caller: str | Sequence[str] = ANONYMOUS,
    states: Sequence[JobState] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> Call[list[JobRecord]]:
    """Up to `limit` jobs of a caller or several, newest first.

    Args:
        after: goes on behind this job.
        states: of these alone; all when empty.
        since_ms: made at this time or later.
        until_ms: made before this time.
    """
    cursor = ("", "") if after is None else after
    times = ("-inf" if since_ms is None else since_ms, "+inf" if until_ms is None else until_ms)
    callers = caller if isinstance(caller, str) else ",".join(dict.fromkeys(caller))
    arguments = (callers, limit, *cursor, *times, *dict.fromkeys(states))
    return Call("list", arguments, lambda reply: [_record(pairs) for pairs in reply])


def erase(job_id: str, *, go_on_sending: bool = False) -> Call[JobState | None]:
    """Forget the job if it has ended; the state that it was in, None when there is no such job.

    Args:
        go_on_sending: messages to its webhook that were not taken yet stay until they are, or are
            given up; otherwise they go with the job.
    """
    given = (job_id, int(go_on_sending))
    return Call("erase", given, lambda reply: JobState(reply) if reply else None)


def expired(limit: int = 100) -> Call[list[str]]:
    """Ended jobs whose time is over."""
    return Call("expired", (limit,), list)


def cancel(job_id: str) -> Call[JobRecord | None]:
    """End a waiting job, ask a leased one to stop, leave an ended one; None when unknown."""
    return Call("cancel", (job_id,), _record_or_none)


def take_next(
    queue: Queue, worker: str, lease_ms: int, contract: int = CONTRACT
) -> Call[JobRecord | None]:
    """Take the lease of a queue's first job that this contract covers; None when none waits.

    Classes of priority come one after the other. Within a class every caller gets the same share
    of the work, by its units, and of one caller the older job comes first.
    """
    return take("", queue, worker, lease_ms, contract)


def take(
    job_id: str, queue: Queue, worker: str, lease_ms: int, contract: int = CONTRACT
) -> Call[JobRecord | None]:
    """Take this job's lease, whatever its turn; None when it waits elsewhere, or for others.

    The same call once more, after a lost reply, finds the lease that it took."""
    progress = Progress(stage=queue.value, step=0, steps=0, fraction=queue.begins_at)
    text = progress.model_dump_json()
    arguments = (job_id, queue, queue.state, worker, lease_ms, text, contract, token_hex(8))
    return Call("take", arguments, _record_or_none)


def renew(job_id: str, token: int, lease_ms: int, progress: Progress | None = None) -> Call[Hold]:
    """Prolong the lease, and write progress under it."""
    fields = () if progress is None else ("progress", progress.model_dump_json())
    return Call("renew", (job_id, token, lease_ms, *fields), Hold)


def ask(job_id: str, token: int) -> Call[Hold]:
    """What a renewal would say, without one."""
    return Call("ask", (job_id, token), Hold)


def add_preview(job_id: str, token: int, key: str) -> Call[Hold]:
    """Add the key of a preview frame; its number is that of the previews then."""
    return Call("add_preview", (job_id, token, key), Hold)


def keep_checkpoint(job_id: str, token: int, checkpoint: Checkpoint) -> Call[Hold]:
    """From now on the job's render goes on from here when it is taken again."""
    return Call("keep_checkpoint", (job_id, token, checkpoint.model_dump_json()), Hold)


def hand_over(
    job_id: str,
    token: int,
    queue: Queue,
    prepared: str,
    warnings: Sequence[str],
    seconds: Mapping[str, float] | None = None,
) -> Call[Hold]:
    """Leave the job to its next queue, with the key of what was prepared."""
    # What was prepared is read by a worker that may be of another release.
    fields = ("prepared", prepared, *_report(warnings, seconds))
    return Call("hand_over", (job_id, token, queue, PREPARED, *fields), Hold)


def succeed(
    job_id: str,
    token: int,
    outputs: dict[Output, str],
    warnings: Sequence[str],
    seconds: Mapping[str, float] | None = None,
) -> Call[Hold]:
    """End the job with its outputs' keys, unless a cancel came before.

    Args:
        seconds: that each stage took.
    """
    fields = ("outputs", json.dumps(outputs), *_report(warnings, seconds))
    return Call("finish", (job_id, token, JobState.SUCCEEDED, *fields), Hold)


def fail(job_id: str, token: int, error: JobError) -> Call[Hold]:
    """End the job with an error, unless a cancel came before."""
    fields = ("error", error.model_dump_json())
    return Call("finish", (job_id, token, JobState.FAILED, *fields), Hold)


def end_canceled(job_id: str, token: int) -> Call[Hold]:
    """End the job as its caller asked."""
    return Call("finish", (job_id, token, JobState.CANCELED), Hold)


def release(job_id: str, token: int) -> Call[Hold]:
    """Let go of the lease in good order; the job waits again and the attempt does not count."""
    return Call("release", (job_id, token), Hold)


def take_back(
    max_attempts: int, *, silence_ms: int = SILENCE_MS, grace_ms: int = GRACE_MS
) -> Call[list[tuple[str, Queue]]]:
    """Take back leases that ran out; replies the jobs that wait again.

    A job whose workers were lost `max_attempts` times in one queue fails with `worker_lost`.

    Args:
        silence_ms: when nobody has called this for longer, the store itself was away, and workers
            that live could not renew their leases.
        grace_ms: what these leases then get on top, once.
    """
    errors = [text for queue in Queue for text in (queue, _lost(queue, max_attempts))]
    return Call("take_back", (max_attempts, silence_ms, grace_ms, *errors), _pairs)


def expire(limit: int = 100) -> Call[list[str]]:
    """Fail jobs whose deadlines are over; their ids. Who works on one has lost its lease."""
    start = "no worker took the job within the {start_deadline_s} s of its start_deadline_s"
    run = "the job did not end within the {run_deadline_s} s of its run_deadline_s"
    errors = (
        JobError.of(ErrorCode.START_DEADLINE, start).model_dump_json(),
        JobError.of(ErrorCode.RUN_DEADLINE, run).model_dump_json(),
    )
    return Call("expire", (limit, *errors), list)


def unhinted(queue: Queue, age_ms: int, limit: int = 100) -> Call[list[str]]:
    """Jobs that wait for at least `age_ms` since their last hint while the broker's queue is empty.

    Counts them as hinted now. A queue with hints in it is left alone: its workers will come to
    them.
    """
    return Call("unhinted", (queue, queue.task, age_ms, limit), list)


JSON_FIELDS = tuple(
    "params options inputs progress outputs warnings seconds previews checkpoint error".split()
)


def _report(warnings: Sequence[str], seconds: Mapping[str, float] | None) -> tuple[str, ...]:
    return ("warnings", json.dumps(list(warnings)), "seconds", json.dumps(dict(seconds or {})))


def _record(pairs: list[str]) -> JobRecord:
    fields: dict[str, Any] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    for name in JSON_FIELDS:
        if name in fields:
            fields[name] = json.loads(fields[name])
    # A later release may have written it: names that are not known here are passed over. In what
    # callers send they are mistakes.
    return JobRecord.model_validate(fields, extra="ignore")


def _record_or_none(pairs: list[str]) -> JobRecord | None:
    return _record(pairs) if pairs else None


def read_placed(reply: tuple[list[str], int, int, list[str]]) -> Placed:
    """The reply of `placed` in the scripts."""
    pairs, place, now_ms, texts = reply
    forecast = None
    if texts:
        own_ms, usual_ms = float(texts[0]), float(texts[1])
        error = float(texts[2]) if texts[2] else None
        crowd = Crowd(*map(int, texts[4:])) if len(texts) > 4 else None
        forecast = Forecast(own_ms / 1000, usual_ms / 1000, error, int(texts[3]), crowd)
    return Placed(_record(pairs), None if place < 0 else place, now_ms, forecast)


def _placed_or_none(reply: tuple[list[str], int, int, list[str]]) -> Placed | None:
    return read_placed(reply) if reply[0] else None


def _pairs(reply: list[str]) -> list[tuple[str, Queue]]:
    return [(job_id, Queue(queue)) for job_id, queue in zip(reply[::2], reply[1::2], strict=True)]


def _lost(queue: Queue, max_attempts: int) -> str:
    detail = f"{max_attempts} workers were lost in the stage {queue.value!r} of this job"
    return JobError.of(ErrorCode.WORKER_LOST, detail, stage=queue.value).model_dump_json()
