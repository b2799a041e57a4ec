"""Gateways and workers of two releases share jobs: a worker claims only jobs it can read."""

from __future__ import annotations

import json
from base64 import b64decode

import pytest

from service.contract.job import DrivingKind, JobInputs, JobRecord, Output
from service.contract.options import JobOptions
from service.contract.params import JobParams, Sampler, Trim
from service.contract.queues import Queue
from service.contract.review import Review, ReviewCell
from service.contract.states import JobState
from service.contract.version import (
    CONTRACT,
    HEADER,
    PREPARED,
    Since,
    comparable,
    least_contract,
)
from service.contract.webhooks import Webhook
from service.maintenance.reconciler import Reconciler
from service.stores.job_store import commands
from service.stores.job_store.hints import HintSender, message
from service.stores.job_store.store import JobStore
from tests.worker.conftest import Desk
from worker.job_runner import JobRunner

LATER = CONTRACT + 1


# What every release knows.
FIRST_PARAMS = {
    *("seed", "num_inference_steps", "guidance_scale", "context_size", "context_overlap"),
    *("ptm_tau", "retarget", "format"),
}
FIRST_OPTIONS = {"ttl_s", "priority", "start_deadline_s", "run_deadline_s", "webhook"}


def make(jobs: JobStore, job_id: str, contract: int = CONTRACT) -> None:
    """Create a job that requires this version of the contract."""
    create(jobs, job_id, contract=contract)


def create(
    jobs: JobStore,
    job_id: str,
    params: JobParams | None = None,
    options: JobOptions | None = None,
    contract: int = 1,
) -> None:
    inputs = JobInputs(image="a/b", driving="c/d", driving_kind=DrivingKind.VIDEO, frames=3)
    made = commands.create(
        job_id, params or JobParams(), inputs, options=options, contract=contract
    )
    jobs.run(made)


def state(jobs: JobStore, job_id: str) -> JobState:
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None
    return snapshot.record.state


def test_worker_skips_jobs_of_a_later_contract(jobs: JobStore) -> None:
    make(jobs, "later", LATER)
    make(jobs, "known")
    taken = jobs.run(commands.claim_next(Queue.PREPARE, "old", 1000))
    assert taken is not None and taken.id == "known"
    assert jobs.run(commands.claim_next(Queue.PREPARE, "old", 1000)) is None
    assert jobs.run(commands.claim("later", Queue.PREPARE, "old", 1000)) is None
    assert state(jobs, "later") is JobState.QUEUED
    taken = jobs.run(commands.claim_next(Queue.PREPARE, "new", 1000, LATER))
    assert taken is not None and (taken.id, taken.contract) == ("later", LATER)


def test_many_unknown_jobs_do_not_hide_a_known_one(jobs: JobStore) -> None:
    for n in range(230):
        make(jobs, f"later{n}", LATER)
    make(jobs, "known")
    taken = jobs.run(commands.claim_next(Queue.PREPARE, "old", 1000))
    assert taken is not None and taken.id == "known"


def test_skipped_job_keeps_its_position_and_gets_another_hint(
    desk: Desk, jobs: JobStore, hints: HintSender, runner: JobRunner
) -> None:
    make(jobs, "later", LATER)
    runner.run(Queue.PREPARE, "later")
    assert state(jobs, "later") is JobState.QUEUED
    assert jobs.redis.llen(Queue.PREPARE.task) == 0
    Reconciler(jobs, hints, "w1", max_attempts=3, hint_age_ms=0).act()
    assert jobs.redis.llen(Queue.PREPARE.task) == 1
    assert desk.finish(desk.submit()).state is JobState.SUCCEEDED


def test_job_prepared_by_a_later_worker_waits_for_such_a_worker(jobs: JobStore) -> None:
    make(jobs, "job")
    record = jobs.run(commands.claim_next(Queue.PREPARE, "new", 1000))
    assert record is not None
    jobs.run(commands.hand_over("job", record.token, Queue.RENDER, "jobs/p", []))
    jobs.redis.hset("tcan:job:job", "contract", LATER)
    assert jobs.run(commands.claim_next(Queue.RENDER, "old", 1000)) is None
    assert jobs.run(commands.claim_next(Queue.RENDER, "new", 1000, LATER)) is not None


def test_prepared_job_needs_a_worker_that_can_read_it(jobs: JobStore) -> None:
    for job_id, contract in (("plain", 1), ("later", LATER)):
        make(jobs, job_id, contract)
        record = jobs.run(commands.claim(job_id, Queue.PREPARE, "new", 1000, LATER))
        assert record is not None and record.contract == contract
        jobs.run(commands.hand_over(job_id, record.token, Queue.RENDER, "jobs/p", []))
        snapshot = jobs.run(commands.read(job_id))
        assert snapshot is not None and snapshot.record.contract == max(contract, PREPARED)
    assert PREPARED <= CONTRACT


def test_job_without_later_fields_is_readable_by_the_first_release(jobs: JobStore) -> None:
    """It refuses names that it does not know, at their defaults too."""
    create(jobs, "plain", JobParams(seed=7, num_inference_steps=4), JobOptions(ttl_s=60))
    stored = jobs.redis.hgetall("tcan:job:plain")
    assert json.loads(stored["params"]).keys() == FIRST_PARAMS
    assert json.loads(stored["options"]).keys() == FIRST_OPTIONS
    taken = jobs.run(commands.claim_next(Queue.PREPARE, "old", 1000, 1))
    assert taken is not None and taken.params == JobParams(seed=7, num_inference_steps=4)
    assert taken.options == JobOptions(ttl_s=60)


@pytest.mark.parametrize(
    "params",
    [
        JobParams(),
        JobParams(context_size=16),
        JobParams(ptm_tau=3),
        JobParams(context_size=16, ptm_tau=3),
        JobParams(context_size=24, ptm_tau=0),
    ],
)
def test_former_defaults_are_told_from_what_the_caller_gave(
    jobs: JobStore, params: JobParams
) -> None:
    """The release before knows no other value for what was not given than its default."""
    create(jobs, "job", params)
    record = jobs.redis.hgetall("tcan:job:job")
    before = {"context_size": params.context_size or 16}
    before["ptm_tau"] = 3 if params.ptm_tau is None else params.ptm_tau  # type: ignore[assignment]
    assert json.loads(record["params"]).items() >= before.items()
    assert comparable(params).items() >= before.items()
    snapshot = jobs.run(commands.read("job"))
    assert snapshot is not None and snapshot.record.params == params


def test_defaults_in_a_record_of_the_release_before_are_the_presets_own(jobs: JobStore) -> None:
    create(jobs, "job", JobParams(context_size=16, ptm_tau=2))
    jobs.redis.hdel("tcan:job:job", "given")
    snapshot = jobs.run(commands.read("job"))
    assert snapshot is not None and snapshot.record.params == JobParams(ptm_tau=2)


@pytest.mark.parametrize(
    ("params", "options"),
    [
        (JobParams(scheduler=Sampler.DDIM), JobOptions()),
        (JobParams(cache_interval=2), JobOptions()),
        (JobParams(person=0), JobOptions()),
        (JobParams(), JobOptions(consent="signed")),
        (JobParams(trim=Trim(start_s=1)), JobOptions()),
        (JobParams(preset="mini"), JobOptions()),
        (JobParams(audio=True), JobOptions()),
        (JobParams(), JobOptions(metadata={"shot": "12"})),
    ],
)
def test_job_with_a_later_field_waits_for_a_worker_that_knows_it(
    jobs: JobStore, params: JobParams, options: JobOptions
) -> None:
    create(jobs, "later", params, options)
    contract = least_contract(params, options)
    assert contract > 1
    assert jobs.run(commands.claim_next(Queue.PREPARE, "old", 1000, contract - 1)) is None
    claim = commands.claim_next(Queue.PREPARE, "new", 1000, contract, preset="mini")
    taken = jobs.run(claim)
    assert taken is not None and taken.contract == contract
    assert (taken.params, taken.options) == (params, options)


def test_every_later_field_names_its_contract_version() -> None:
    """One without a mark would reach workers that do not know it."""
    for model, first in ((JobParams, FIRST_PARAMS), (JobOptions, FIRST_OPTIONS)):
        marks = {
            name: [mark.contract for mark in field.metadata if isinstance(mark, Since)]
            for name, field in model.model_fields.items()
        }
        assert {name for name, found in marks.items() if not found} == first
        assert all(1 < since <= CONTRACT for found in marks.values() for since in found)


def test_records_of_a_later_gateway_can_be_read(jobs: JobStore) -> None:
    """After a rollback its jobs are still listed, with the known fields."""
    create(jobs, "later", options=JobOptions(webhook=Webhook(url="http://a.example/")))
    stored = jobs.redis.hgetall("tcan:job:later")
    for name in ("params", "options"):
        content = json.loads(stored[name]) | {"of_later": {"deep": 1}}
        if name == "options":
            content["webhook"]["of_later"] = 1
        jobs.redis.hset("tcan:job:later", name, json.dumps(content))
    [listed] = jobs.run(commands.recent(10)).jobs
    record = listed.record
    assert record.params == JobParams() and record.options.webhook is not None
    assert state(jobs, "later") is JobState.QUEUED


def test_jobs_without_a_contract_number_are_accepted(jobs: JobStore) -> None:
    make(jobs, "job")
    jobs.redis.hdel("tcan:job:job", "contract")
    taken = jobs.run(commands.claim_next(Queue.PREPARE, "w", 1000))
    assert taken is not None and taken.contract == 1


def test_every_hint_carries_the_number(jobs: JobStore, hints: HintSender) -> None:
    hints.send("job", Queue.RENDER)
    sent = json.loads(jobs.redis.lpop(Queue.RENDER.task))  # type: ignore[arg-type]
    made = json.loads(message("job", Queue.RENDER))
    assert sent["headers"][HEADER] == made["headers"][HEADER] == CONTRACT
    assert json.loads(b64decode(made["body"]))[0] == ["job"]


# The outputs that gateways of every release know.
FIRST_OUTPUTS = {"result", "poster", "pose", "manifest", "keypoints"}


def test_outputs_of_a_record_are_readable_by_earlier_gateways(jobs: JobStore) -> None:
    """They refuse a record that names other outputs under `outputs`."""
    make(jobs, "job", 1)
    record = jobs.run(commands.claim_next(Queue.PREPARE, "new", 1000))
    assert record is not None
    outputs = {output: f"jobs/job/1/{output}" for output in Output}
    layout = Review(
        width=4,
        height=2,
        fps="25/1",
        frames=1,
        cells={"driver": ReviewCell(x=0, y=0, width=4, height=2)},
    )
    jobs.run(commands.succeed("job", record.token, outputs, [], review=layout))
    stored = jobs.redis.hgetall("tcan:job:job")
    assert set(json.loads(stored["outputs"])) == FIRST_OUTPUTS
    assert JobRecord.model_validate({**record.model_dump(), "outputs": outputs, "review": layout})
    snapshot = jobs.run(commands.read("job"))
    assert snapshot is not None
    assert (snapshot.record.outputs, snapshot.record.review) == (outputs, layout)


def test_outputs_of_later_workers_are_ignored(jobs: JobStore) -> None:
    make(jobs, "job", 1)
    jobs.redis.hset("tcan:job:job", "later_outputs", json.dumps({"smell": "a", "fit": "b"}))
    snapshot = jobs.run(commands.read("job"))
    assert snapshot is not None and snapshot.record.outputs == {Output.FIT: "b"}
