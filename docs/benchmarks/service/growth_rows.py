"""The rows of growth.py: work of the service, and what it must not grow with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from growth_world import Row, World

from service.contract.job import (
    ANONYMOUS,
    DrivingKind,
    JobInputs,
    JobRecord,
    Output,
    Progress,
    new_job_id,
)
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.review import Review, ReviewCell
from service.contract.version import CONTRACT
from service.contract.webhooks import Webhook
from service.events import hub
from service.jobs.long_reads import BATCH
from service.stores.job_store import (
    commands,
    counts,
    deliveries,
    events,
    keys,
    order,
    presence,
)
from service.stores.job_store.commands import Command
from service.stores.job_store.hints import message

LEASE_MS = 3_600_000
# What an animation leaves.
OUTPUTS = (Output.RESULT, Output.POSTER, Output.POSE, Output.MANIFEST, Output.REVIEW)
REVIEW = Review(
    width=1280,
    height=1280,
    fps="30000/1001",
    frames=300,
    cells={
        name: ReviewCell(x=640 * (place % 2), y=640 * (place // 2), width=640, height=640)
        for place, name in enumerate(("source", "driver", "skeleton", "result"))
    },
)
# Reports of progress of a job that a GPU renders for two minutes.
REPORTS = 300
PREVIEWS = 6
EXPIRED_AT_ONCE = 100
# Jobs that one world is filled with for claims, more than there are rounds.
CLAIMS = 50


def make(
    world: World,
    *,
    caller: str = ANONYMOUS,
    options: JobOptions | None = None,
    preset: str | None = None,
    contract: int = 1,
) -> str:
    """Create a job as a gateway does; return its id."""
    job_id = new_job_id()
    inputs = JobInputs(
        image=f"jobs/{job_id}/inputs/image.png",
        driving=f"jobs/{job_id}/inputs/driving.mp4",
        driving_kind=DrivingKind.VIDEO,
        frames=150,
        size_bytes=1_000_000,
    )
    hint = message(job_id, Queue.PREPARE)
    world.jobs.run(
        commands.create(
            job_id,
            JobParams(seed=7, preset=preset),
            inputs,
            caller=caller,
            options=options,
            hint=hint,
            contract=contract,
        )
    )
    return job_id


def fill_queue(world: World) -> None:
    """Queue jobs of one caller until `size` wait."""
    for _ in range(world.size - world.redis.zcard("tcan:waiting:prepare")):
        make(world, options=JobOptions(start_deadline_s=86_400))


def fill_callers(world: World) -> None:
    """Queue a job of each of `size` callers."""
    for number in range(world.size):
        make(world, caller=f"caller-{number}")


def fill_leases(world: World) -> None:
    """Let workers hold jobs until `size` are leased, while another one waits."""
    for _ in range(world.size - world.redis.zcard("tcan:leases")):
        make(world)
        world.jobs.run(commands.claim_next(Queue.PREPARE, "w", LEASE_MS))
    make(world)


def first(world: World) -> str:
    """Return the id of the first job in the first queue."""
    return str(world.redis.zrange("tcan:waiting:prepare", 0, 0)[0])


def last(world: World) -> str:
    """Return the id of the last job in the first queue."""
    return str(world.redis.zrange("tcan:waiting:prepare", -1, -1)[0])


def run_all(world: World, *each: Command[object]) -> float:
    """Run commands; return what their scripts cost."""
    return world.cost(lambda: [world.jobs.run(command) for command in each])


def read(world: World) -> float:
    """Read the last job."""
    return run_all(world, commands.read(last(world)))


def submit(world: World) -> float:
    """Create a job."""
    return world.cost(lambda: make(world))


def list_own(world: World) -> float:
    """List the newest 50 jobs of a caller."""
    return run_all(world, commands.recent(50))


def list_all(world: World) -> float:
    """List the newest 50 jobs of all callers."""
    return run_all(world, commands.recent(50, caller=commands.EVERYONE))


def fill_metadata(world: World) -> None:
    """Queue `size` jobs that have one of two pairs of metadata."""
    for number in range(world.size):
        pair = {"show": "harbor"} if number % 2 else {"shot": "1"}
        make(world, options=JobOptions(metadata=pair))


def list_by_metadata(world: World) -> float:
    """Look for jobs that have two pairs of metadata, which none has; the cost of one script."""
    return run_all(world, commands.recent(50, metadata=["show=harbor", "shot=1"]))


def usage(world: World) -> float:
    """Read what a caller uses; return the cost of the longest script."""
    reads = (keys.usage(ANONYMOUS), keys.storage(ANONYMOUS, 0, BATCH))
    return world.longest(partial(world.jobs.run, read) for read in reads)


def cancel(world: World) -> float:
    """Cancel the first queued job, which moves all others forward, now or later."""
    fill_queue(world)
    return run_all(world, commands.cancel(first(world)))


def expire(world: World) -> float:
    """Let the start deadlines of 100 jobs pass; return the cost of the longest script."""
    fill_queue(world)
    passed = world.redis.zrange("tcan:waiting:prepare", 0, EXPIRED_AT_ONCE - 1)
    world.redis.zadd("tcan:deadlines", dict.fromkeys(map(str, passed), 0))

    def steps() -> Iterator[Callable[[], object]]:
        while world.redis.zcount("tcan:deadlines", 0, 0):
            yield lambda: world.jobs.run(commands.expire_deadlines())

    return world.longest(steps())


def claim(world: World) -> float:
    """Claim the next job."""
    fill_queue(world)
    return run_all(world, commands.claim_next(Queue.PREPARE, "w", LEASE_MS))


def close_gaps(world: World) -> float:
    """Do one step of a refund to a caller, as after a job before all others was canceled."""
    fill_queue(world)
    world.redis.zadd(f"tcan:gaps:normal:{ANONYMOUS}", {"1:ended": 0})
    world.redis.zadd("tcan:gaps", {f"normal:{ANONYMOUS}": 0})
    return run_all(world, order.close_gaps())


def fill_later(world: World) -> None:
    """Queue jobs of a later contract, then some that every worker can run."""
    _fill_behind(world, contract=CONTRACT + 1)


def fill_preset(world: World) -> None:
    """Queue jobs of a preset, then some of none."""
    _fill_behind(world, preset="sd15")


def _fill_behind(world: World, *, preset: str | None = None, contract: int = 1) -> None:
    for _ in range(world.size):
        make(world, preset=preset, contract=contract)
    for _ in range(CLAIMS):
        make(world)


def claim_behind(world: World) -> float:
    """Claim the first job that a worker of `mini` can run."""
    claim_first = commands.claim_next(Queue.PREPARE, "w", LEASE_MS, preset="mini")
    return world.cost(lambda: _claimed(world, claim_first))


def _claimed(world: World, claim_first: Command[JobRecord | None]) -> None:
    assert world.jobs.run(claim_first) is not None


def metrics(world: World) -> float:
    """Read the metrics of the service."""
    return run_all(world, counts.service_stats())


def reconcile(world: World) -> float:
    """Look for queued jobs without wake-up messages."""
    return run_all(world, *(presence.jobs_missing_hints(queue, age_ms=3000) for queue in Queue))


def moved(world: World) -> float:
    """Report moves of the last jobs, as many as are read together."""
    watched = map(str, world.redis.zrange("tcan:waiting:prepare", -hub.BATCH, -1))
    return run_all(world, events.moved(dict.fromkeys(watched, world.size)))


def fill_deliveries(world: World) -> None:
    """Let a message of each of `size` callers be due."""
    webhook = Webhook(url="https://example.com/hook")
    for number in range(world.size):
        options = JobOptions(webhook=webhook)
        job_id = make(world, caller=f"caller-{number}", options=options)
        world.jobs.run(commands.cancel(job_id))


def claim_deliveries(world: World) -> float:
    """Claim 32 messages."""
    return run_all(world, deliveries.claim([32] * 4, 0, [8] * 4, {}))


def reclaim(world: World) -> float:
    """Take back the jobs of workers that were lost; return the cost of the longest script."""
    fill_leases(world)
    leased: Sequence[object] = world.redis.zrange("tcan:leases", 0, -1)
    world.redis.zadd("tcan:leases", dict.fromkeys(map(str, leased), 0))

    def steps() -> Iterator[Callable[[], object]]:
        while world.redis.zcount("tcan:leases", 0, 0):
            yield lambda: world.jobs.run(commands.reclaim_expired(1_000_000, silence_ms=LEASE_MS))

    return world.longest(steps())


def finish(world: World, job_id: str, reports: int = REPORTS) -> None:
    """Take a job through both stages, with `reports` reports of progress, to its success."""
    record = world.jobs.run(commands.claim(job_id, Queue.PREPARE, "worker-host-7-ab12", LEASE_MS))
    assert record is not None
    prepared = commands.hand_over(
        job_id, record.token, Queue.RENDER, f"jobs/{job_id}/1/poses.json", [], {"prepare": 1.0}
    )
    world.jobs.run(prepared)
    render(world, job_id, reports)


def render(world: World, job_id: str, reports: int) -> None:
    """Render a prepared job."""
    claimed = commands.claim(job_id, Queue.RENDER, "worker-host-7-ab12", LEASE_MS)
    record: JobRecord | None = world.jobs.run(claimed)
    assert record is not None
    for step in range(1, reports + 1):
        progress = Progress(
            stage="denoise", step=step, steps=reports, fraction=step / reports, eta_s=12.3
        )
        world.jobs.run(commands.renew(job_id, record.token, LEASE_MS, progress))
    for number in range(1, PREVIEWS + 1):
        key = f"jobs/{job_id}/{record.token}/previews/{number}/preview-{number}.webp"
        world.jobs.run(commands.add_preview(job_id, record.token, key))
    outputs = {output: f"jobs/{job_id}/2/{output}" for output in OUTPUTS}
    seconds = {"prepare": 1.0, "encode": 2.5, "denoise": 60.0, "decode": 3.5}
    world.jobs.run(commands.succeed(job_id, record.token, outputs, [], seconds, REVIEW))


ROWS = {
    "read": Row("read a job, queued jobs of one caller", fill_queue, read),
    "submit": Row("submit a job, queued jobs of one caller", fill_queue, submit),
    "list": Row("list 50 jobs of a caller, its jobs", fill_queue, list_own),
    "list-all": Row("list 50 jobs of all callers, callers", fill_callers, list_all),
    # A script reads up to 1,000 jobs.
    "usage": Row(
        "read a caller's usage, its jobs (longest script)", fill_queue, usage, ratio=15.0, most=5.0
    ),
    "metadata": Row(
        "look for 50 jobs with two pairs of metadata, jobs with one of them",
        fill_metadata,
        list_by_metadata,
        ratio=15.0,
    ),
    "cancel": Row("cancel a queued job, queued jobs of one caller", fill_queue, cancel),
    "expire": Row(
        "end 100 jobs past their deadline, queued jobs of one caller (longest script)",
        fill_queue,
        expire,
    ),
    "claim": Row("claim the next job, queued jobs of one caller", fill_queue, claim),
    "claim-contract": Row("claim behind queued jobs of a later contract", fill_later, claim_behind),
    "claim-preset": Row("claim behind queued jobs of another preset", fill_preset, claim_behind),
    "gaps": Row("continue with a refund, queued jobs of one caller", fill_queue, close_gaps),
    "presets": Row("read the metrics, queued jobs of a preset", fill_preset, metrics),
    "preset-hints": Row(
        "look for missing wake-up messages, queued jobs of a preset", fill_preset, reconcile
    ),
    "metrics": Row("read the metrics, queued jobs", fill_queue, metrics),
    "reconcile": Row("look for missing wake-up messages, queued jobs", fill_queue, reconcile),
    "moved": Row("report 100 moves, queued jobs", fill_queue, moved),
    "deliveries": Row(
        "claim 32 webhook messages, callers with due ones", fill_deliveries, claim_deliveries
    ),
    "leases": Row("read a queued job, leased jobs", fill_leases, read),
    "reclaim": Row(
        "take back jobs of lost workers, leased jobs (longest script)", fill_leases, reclaim
    ),
}
