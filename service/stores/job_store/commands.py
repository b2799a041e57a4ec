"""Commands on jobs: each names a Lua script, its arguments and how to read its reply.

`service.stores.job_store.store` runs them: blocking in the worker, awaited in the gateway. Each
script is atomic, so nothing happens between the check of a lease and the write under it.

Keys in Redis, all with the prefix `tcan:`; those of other modules are listed there:

- `job:{id}`: hash, the record.
- `jobs:{caller}`, `jobs:{caller}:{state}`, `jobs:{caller}:metadata:{name}={value}`: ids by creation
  time; under the caller `*` those of all callers.
- `waiting:{queue}`: ids of waiting jobs by virtual start time.
- `waiting:{queue}:age:{priority}`: the same by creation time.
- `turns:{priority}`: hash, the virtual clock and the end of each caller's work;
  `turns:{priority}:{caller}`, the caller's jobs that have not ended, by virtual start time.
- `leases`: ids by the end of their lease.
- `deadlines`: ids by their next deadline.
- `expiries`: ids of ended jobs by the end of their retention time.
- `pace:{kind}`: durations of the last jobs; `pace:{kind}:means`.
- `take:{request_id}`: the result of a claim, kept for a minute.

Scripts compute key names, so the job store is a single primary, not a Redis cluster.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
from service.contract.review import Review
from service.contract.states import JobState
from service.contract.version import CONTRACT, PREPARED, given_defaults, least_contract, stored
from service.stores.job_store.outputs import output_fields
from service.stores.job_store.quota import UNLIMITED, Quota
from service.stores.job_store.snapshots import (
    JobSnapshot,
    LeaseStatus,
    parse_optional_record,
    parse_optional_snapshot,
    parse_snapshot,
)
from service.telemetry.context import context_fields

T = TypeVar("T")

SILENCE_MS = 5000
GRACE_MS = 6000
# In place of a caller: the jobs of all callers. No caller can have this name.
EVERYONE = "*"
# Jobs with one pair of metadata that a script reads in search of those with all pairs.
MAX_ROWS = 500


@dataclass(frozen=True)
class Command(Generic[T]):
    """One atomic operation.

    Attributes:
        script: name of a Lua script.
        arguments: the script's `args`; None leaves one out. Numbers arrive as doubles, so ids and
            tokens are strings, and stored JSON is passed as text.
        parse: reads the reply.
    """

    script: str
    arguments: Mapping[str, object]
    parse: Callable[[Any], T]

    def encode(self, now_ms: int | None = None) -> str:
        """Return the script's one argument: a JSON object, with the time if it is given."""
        named = {**self.arguments, "now_ms": now_ms}
        arguments = {name: value for name, value in named.items() if value is not None}
        return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


class Cursor(NamedTuple):
    """The job or upload behind which a page begins; it need not exist any more."""

    created_ms: int
    id: str


class JobPage(NamedTuple):
    """A part of a list of jobs.

    Attributes:
        following: cursor of the next page; None if there are no more jobs.
    """

    jobs: list[JobSnapshot]
    following: Cursor | None


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
    quota: Quota = UNLIMITED,
    contract: int = 1,
) -> Command[JobSnapshot]:
    """Create a job in the first queue; creating it again changes nothing.

    Raises RejectedError `idempotency_key_in_use` if the claim of the key is lost, and
    `quota_exceeded` if a limit of the caller is exceeded.

    Args:
        idempotency_key: leads to the job from now on.
        key_owner: the owner that claimed the key.
        hint: sent to the first queue with the job, see `service.stores.job_store.hints.message`.
        quota: the job's size and the limits of its caller.
        contract: the lowest contract of a worker that can do the job; fields in use may raise it.
    """
    models = {"params": params, "inputs": inputs, "options": options or JobOptions()}
    fields = {name: stored(model) for name, model in models.items()} | context_fields()
    fields |= {"kind": kind, "contract": str(max(contract, least_contract(*models.values())))}
    if given := given_defaults(params):
        fields["given"] = json.dumps(given)
    if params.preset is not None:
        fields["preset"] = params.preset
    arguments: dict[str, object] = {
        "id": job_id,
        "queue": Queue.PREPARE,
        "caller": caller,
        "units": work_units(inputs, params),
        "fields": fields,
        **quota._asdict(),
    }
    if idempotency_key:
        arguments |= {"key": idempotency_key, "key_owner": key_owner, "key_ttl_ms": keep_key_ms}
    if hint:
        arguments |= {"hint": hint, "hint_list": Queue.PREPARE.task}
    return Command("create", arguments, parse_snapshot)


def read(job_id: str) -> Command[JobSnapshot | None]:
    """Read a job; None if there is none."""
    return Command("read", {"id": job_id}, parse_optional_snapshot)


def recent(
    limit: int,
    after: Cursor | None = None,
    *,
    caller: str = ANONYMOUS,
    states: Sequence[JobState] = (),
    metadata: Sequence[str] = (),
    since_ms: int | None = None,
    until_ms: int | None = None,
) -> Command[JobPage]:
    """List up to `limit` jobs, newest first.

    A page may have fewer although the list continues: one script reads a limited number of rows.

    Args:
        after: cursor of this page, from the page before.
        caller: a caller, or EVERYONE.
        states: only jobs in these states; all if empty.
        metadata: only jobs with all of this metadata, `name=value` each.
        since_ms: only jobs created at this time or later.
        until_ms: only jobs created before this time.
    """
    arguments = {
        "caller": caller,
        "limit": limit,
        "max_rows": max(limit, MAX_ROWS) if metadata else limit,
        "after_ms": None if after is None else after.created_ms,
        "after_id": None if after is None else after.id,
        "since_ms": since_ms,
        "until_ms": until_ms,
        "states": list(dict.fromkeys(states)),
        "metadata": list(dict.fromkeys(metadata)),
    }
    return Command("list", arguments, _page)


def erase(job_id: str, *, keep_pending_deliveries: bool = False) -> Command[JobState | None]:
    """Delete the job if it has ended; returns its state, None if there is no such job.

    Args:
        keep_pending_deliveries: webhook messages that are not delivered yet stay until they are
            delivered or given up; otherwise they are deleted with the job.
    """
    arguments = {"id": job_id, "keep_pending": keep_pending_deliveries}
    return Command("erase", arguments, lambda reply: JobState(reply) if reply else None)


def cancel(job_id: str) -> Command[JobRecord | None]:
    """End a waiting job, ask a leased one to stop, leave an ended one; None if unknown."""
    return Command("cancel", {"id": job_id}, parse_optional_record)


def claim_next(
    queue: Queue,
    worker: str,
    lease_ms: int,
    contract: int = CONTRACT,
    *,
    preset: str = "",
    hinted: str | None = None,
    hint: str | None = None,
) -> Command[JobRecord | None]:
    """Claim a queue's first job that this worker can run; None if none waits.

    Higher priorities come first. Within a priority every caller gets the same share of the work, in
    units, and a caller's older jobs come first.

    Args:
        contract: the highest contract that the worker knows.
        preset: preset of the worker; jobs that name another one stay.
        hinted: id of the job in the wake-up message that led to this claim.
        hint: a message to replace it, if the claimed job belongs to another list of messages.
    """
    return claim(None, queue, worker, lease_ms, contract, preset=preset, hinted=hinted, hint=hint)


def claim(
    job_id: str | None,
    queue: Queue,
    worker: str,
    lease_ms: int,
    contract: int = CONTRACT,
    *,
    preset: str = "",
    hinted: str | None = None,
    hint: str | None = None,
) -> Command[JobRecord | None]:
    """Claim this job, whatever its position; None if it does not wait here for this worker.

    Without an id it claims the queue's first job, as `claim_next` does. Running the same command
    again, after a lost reply, finds the lease that it took.
    """
    progress = Progress(stage=queue.value, step=0, steps=0, fraction=queue.begins_at)
    arguments = {
        "id": job_id,
        "queue": queue,
        "state": queue.state,
        "worker": worker,
        "lease_ms": lease_ms,
        "progress": progress.model_dump_json(),
        "contract": contract,
        "preset": preset,
        "list": queue.task,
        "hinted": hinted,
        "hint": hint,
        "request_id": token_hex(8),
    }
    return Command("claim_job", arguments, parse_optional_record)


def renew(
    job_id: str, token: int, lease_ms: int, progress: Progress | None = None
) -> Command[LeaseStatus]:
    """Renew the lease, and write progress under it."""
    text = None if progress is None else progress.model_dump_json()
    return _leased("renew", job_id, token, lease_ms=lease_ms, progress=text)


def check_lease(job_id: str, token: int) -> Command[LeaseStatus]:
    """Read the lease's status without renewing it."""
    return _leased("check_lease", job_id, token)


def add_preview(job_id: str, token: int, key: str) -> Command[LeaseStatus]:
    """Add a preview frame, by its key in the object store."""
    return _leased("add_preview", job_id, token, key=key)


def keep_checkpoint(job_id: str, token: int, checkpoint: Checkpoint) -> Command[LeaseStatus]:
    """Store the checkpoint from which the next worker resumes the render."""
    return _leased("keep_checkpoint", job_id, token, checkpoint=checkpoint.model_dump_json())


def hand_over(
    job_id: str,
    token: int,
    queue: Queue,
    prepared: str,
    warnings: Sequence[str],
    seconds: Mapping[str, float] | None = None,
) -> Command[LeaseStatus]:
    """Move the job to its next queue, with the key of what was prepared."""
    # A worker of another release may read what was prepared, so its contract is recorded.
    fields = {"prepared": prepared, **_report(warnings, seconds)}
    return _leased("hand_over", job_id, token, queue=queue, contract=PREPARED, fields=fields)


def succeed(
    job_id: str,
    token: int,
    outputs: dict[Output, str],
    warnings: Sequence[str],
    seconds: Mapping[str, float] | None = None,
    review: Review | None = None,
) -> Command[LeaseStatus]:
    """End the job with its outputs' keys, unless it was canceled before.

    Args:
        seconds: duration of each stage.
        review: layout of the output `review`, if there is one.
    """
    fields = {**output_fields(outputs, review), **_report(warnings, seconds)}
    return _leased("finish", job_id, token, state=JobState.SUCCEEDED, fields=fields)


def fail(job_id: str, token: int, error: JobError) -> Command[LeaseStatus]:
    """End the job with an error, unless it was canceled before."""
    fields = {"error": error.model_dump_json()}
    return _leased("finish", job_id, token, state=JobState.FAILED, fields=fields)


def end_canceled(job_id: str, token: int) -> Command[LeaseStatus]:
    """End the job as canceled."""
    return _leased("finish", job_id, token, state=JobState.CANCELED, fields={})


def release(job_id: str, token: int) -> Command[LeaseStatus]:
    """Give the lease back; the job waits again and the attempt does not count."""
    return _leased("release", job_id, token)


def reclaim_expired(
    max_attempts: int, *, silence_ms: int = SILENCE_MS, grace_ms: int = GRACE_MS, limit: int = 25
) -> Command[list[tuple[str, Queue]]]:
    """End up to `limit` expired leases; returns the jobs that wait again.

    A job that lost `max_attempts` workers in one queue fails with `worker_lost`.

    Args:
        silence_ms: if this was not called for longer, the store was unavailable, and live workers
            could not renew their leases.
        grace_ms: extension of these leases, once.
    """
    arguments = {
        "max_attempts": max_attempts,
        "silence_ms": silence_ms,
        "grace_ms": grace_ms,
        "errors": {queue: _worker_lost(queue, max_attempts) for queue in Queue},
        "limit": limit,
    }
    return Command("reclaim_expired", arguments, _pairs)


def expire_deadlines(limit: int = 25) -> Command[list[str]]:
    """Fail up to `limit` jobs whose deadline has passed, also leased ones; returns their ids."""
    start = "no worker started the job within {start_deadline_s} s (start_deadline_s)"
    run = "the job did not end within {run_deadline_s} s (run_deadline_s)"
    errors = {
        "start_deadline_s": JobError.of(ErrorCode.START_DEADLINE, start).model_dump_json(),
        "run_deadline_s": JobError.of(ErrorCode.RUN_DEADLINE, run).model_dump_json(),
    }
    return Command("expire_deadlines", {"limit": limit, "errors": errors}, list)


def _leased(script: str, job_id: str, token: int, **arguments: object) -> Command[LeaseStatus]:
    """Return a command that does nothing unless `token` holds the job's lease."""
    return Command(script, {"id": job_id, "token": str(token), **arguments}, LeaseStatus)


def _report(warnings: Sequence[str], seconds: Mapping[str, float] | None) -> dict[str, str]:
    return {"warnings": json.dumps(list(warnings)), "seconds": json.dumps(dict(seconds or {}))}


def _page(reply: tuple[list[Any], list[str]]) -> JobPage:
    snapshots, following = reply
    cursor = Cursor(int(following[0]), following[1]) if following else None
    return JobPage([*map(parse_snapshot, snapshots)], cursor)


def _pairs(reply: list[str]) -> list[tuple[str, Queue]]:
    return [(job_id, Queue(queue)) for job_id, queue in zip(reply[::2], reply[1::2], strict=True)]


def _worker_lost(queue: Queue, max_attempts: int) -> str:
    detail = f"{max_attempts} workers were lost in the stage {queue.value!r} of this job"
    return JobError.of(ErrorCode.WORKER_LOST, detail, stage=queue.value).model_dump_json()
