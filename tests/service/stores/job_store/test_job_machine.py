"""Random sequences of commands keep the job store consistent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.contract.errors import ErrorCode, JobError
from service.contract.job import Checkpoint, JobRecord, Output, Progress
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import TRANSITIONS, JobState
from service.stores.job_store import commands, events
from service.stores.job_store.commands import EVERYONE, Command
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from tests.service.stores.job_store.records import INPUTS, LEASE_MS, Clock

CAP = 3
IDS = ("a", "b", "c", "d")
ERROR = JobError.of(ErrorCode.NO_PERSON, "no person", stage="prepare")
PROGRESS = Progress(stage="denoise", step=2, steps=4, fraction=0.5)


class JobMachine(RuleBasedStateMachine):
    """Callers create and cancel jobs; workers claim them, write, die and return late."""

    jobs: JobStore
    clock: Clock

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, JobRecord] = {}
        self.seen: dict[str, JobState] = {}
        self.tokens: dict[str, int] = {}
        self.erased: set[str] = set()
        self.succeeded_by: dict[str, int] = {}

    leases: Bundle[JobRecord] = Bundle("leases")

    @initialize()
    def empty(self) -> None:
        self.jobs.redis.flushall()

    @rule(
        job_id=st.sampled_from(IDS),
        start_s=st.none() | st.integers(1, 3),
        run_s=st.none() | st.integers(1, 3),
    )
    def make(self, job_id: str, start_s: int | None, run_s: int | None) -> None:
        if job_id in self.erased:  # ids are never used again
            return
        options = JobOptions(start_deadline_s=start_s, run_deadline_s=run_s)
        self.jobs.run(commands.create(job_id, JobParams(), INPUTS, options=options))

    @rule(target=leases, queue=st.sampled_from(Queue))
    def take(self, queue: Queue) -> JobRecord:
        first = [
            record.id
            for record in self.records()
            if record.queue is queue and self.position(record.id) == 0
        ]
        record = self.jobs.run(commands.claim_next(queue, "w", LEASE_MS))
        if record is None:
            assert first == []
            return self.missing_job()
        assert [record.id] == first
        assert record.token == self.tokens.get(record.id, 0) + 1
        self.tokens[record.id] = record.token
        return record

    @rule(lease=leases, what=st.sampled_from(["renew", "progress", "checkpoint", "preview"]))
    def write(self, lease: JobRecord, what: str) -> None:
        key = f"jobs/{lease.id}/{lease.token}/x"
        checkpoint = Checkpoint(key=key, model="m", progress=PROGRESS)
        writes: dict[str, Command[LeaseStatus]] = {
            "renew": commands.renew(lease.id, lease.token, LEASE_MS),
            "progress": commands.renew(lease.id, lease.token, LEASE_MS, PROGRESS),
            "checkpoint": commands.keep_checkpoint(lease.id, lease.token, checkpoint),
            "preview": commands.add_preview(lease.id, lease.token, key),
        }
        self.fenced(lease, writes[what])

    @rule(lease=leases, how=st.sampled_from(["succeed", "fail", "hand_over", "release", "cancel"]))
    def end(self, lease: JobRecord, how: str) -> None:
        key = f"jobs/{lease.id}/{lease.token}/x"
        ends: dict[str, Command[LeaseStatus]] = {
            "succeed": commands.succeed(lease.id, lease.token, {Output.RESULT: key}, []),
            "fail": commands.fail(lease.id, lease.token, ERROR),
            "hand_over": commands.hand_over(lease.id, lease.token, Queue.RENDER, key, []),
            "release": commands.release(lease.id, lease.token),
            "cancel": commands.end_canceled(lease.id, lease.token),
        }
        # A preview of poses ends in the first queue; the last queue hands nothing over.
        if how != "hand_over" or lease.queue is Queue.PREPARE:
            self.fenced(lease, ends[how])

    @rule(job_id=st.sampled_from(IDS))
    def cancel(self, job_id: str) -> None:
        self.jobs.run(commands.cancel(job_id))

    @rule(passed_ms=st.sampled_from([1, LEASE_MS // 2, LEASE_MS, 3 * LEASE_MS]))
    def time_passes(self, passed_ms: int) -> None:
        self.clock.now_ms += passed_ms
        self.jobs.run(commands.expire_deadlines())
        for job_id, queue in self.jobs.run(commands.reclaim_expired(CAP)):
            record = self.record(job_id)
            assert (record.state, record.queue) == (JobState.QUEUED, queue)

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def erase(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from(sorted(self.ended)))
        assert self.jobs.run(commands.erase(job_id)) is self.ended[job_id].state
        self.erased.add(job_id)
        for known in (self.ended, self.seen, self.tokens):
            known.pop(job_id, None)

    @invariant()
    def states_follow_the_table_and_ends_are_final(self) -> None:
        for record in self.records():
            before = self.seen.get(record.id, JobState.QUEUED)
            assert record.state is before or reachable(before, record.state)
            self.seen[record.id] = record.state
            if record.id in self.ended:
                assert record == self.ended[record.id]
            elif record.state.is_terminal:
                self.ended[record.id] = record

    @invariant()
    def sets_agree_with_records(self) -> None:
        redis = self.jobs.redis
        leased = set(redis.zrange("tcan:leases", 0, -1))
        key = f"tcan:jobs:{EVERYONE}"
        listed = redis.zrange(key, 0, -1)
        by_state = {state: redis.zrange(f"{key}:{state}", 0, -1) for state in JobState}
        for record in self.records():
            assert (record.id in leased) == record.state.is_leased
            for queue in Queue:
                waits = record.state is JobState.QUEUED and record.queue is queue
                waiting = f"tcan:waiting:{queue}"
                lane = f"{waiting}:lane:{record.contract}:"
                for key in (waiting, lane, f"{waiting}:age:normal"):
                    assert (redis.zscore(key, record.id) is not None) == waits
            turn = redis.zscore(f"tcan:turns:normal:{record.caller}", record.id)
            assert (turn is None) == record.state.is_terminal
            assert record.id in listed
            assert [state for state in JobState if record.id in by_state[state]] == [record.state]
            expires = redis.zscore("tcan:expiries", record.id) is not None
            assert expires == record.state.is_terminal
            assert 0 <= record.attempts <= CAP
            if record.state.is_terminal:
                assert redis.zscore("tcan:deadlines", record.id) is None
                assert record.checkpoint is None

    @invariant()
    def every_version_has_its_event_and_one_of_them_is_the_end(self) -> None:
        for record in self.records():
            job_events = self.jobs.run(events.events(record.id, 0, 1000))
            versions = [event.version for event in job_events]
            assert versions == list(range(1, record.version + 1))
            ends = [event for event in job_events if event.snapshot.record.state.is_terminal]
            assert len(ends) == record.state.is_terminal

    def fenced(self, lease: JobRecord, call: Command[LeaseStatus]) -> None:
        """Run the command; an old token changes nothing."""
        if not lease.id or self.jobs.run(commands.read(lease.id)) is None:
            return
        before = self.record(lease.id)
        hold = self.jobs.run(call)
        if lease.token < before.token or not before.state.is_leased:
            assert self.record(lease.id) == before
        else:
            assert hold is not LeaseStatus.LOST

    def missing_job(self) -> JobRecord:
        inputs, params = INPUTS, JobParams()
        return JobRecord(
            id="", state=JobState.QUEUED, queue=Queue.PREPARE, params=params, inputs=inputs,
            created_ms=0,
        )  # fmt: skip

    def record(self, job_id: str) -> JobRecord:
        snapshot = self.jobs.run(commands.read(job_id))
        assert snapshot is not None
        return snapshot.record

    def position(self, job_id: str) -> int | None:
        snapshot = self.jobs.run(commands.read(job_id))
        return None if snapshot is None else snapshot.position

    def records(self) -> Iterator[JobRecord]:
        for job_id in IDS:
            snapshot = self.jobs.run(commands.read(job_id))
            if snapshot is not None:
                yield snapshot.record


def reachable(before: JobState, after: JobState) -> bool:
    """Return whether `after` may follow: one step, or more within one rule."""
    return after in TRANSITIONS[before] or any(
        after in TRANSITIONS[between] for between in TRANSITIONS[before]
    )


@pytest.mark.parametrize("examples", [12, pytest.param(40, marks=pytest.mark.long)])
def test_random_commands_keep_store_consistent(jobs: JobStore, examples: int) -> None:
    clock = Clock()

    class Machine(JobMachine):
        pass

    Machine.jobs, Machine.clock = JobStore(jobs.redis, clock), clock
    run_state_machine_as_test(
        Machine,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=40, deadline=None, print_blob=True
        ),
    )
