"""Redis memory and append-only file size of a job, from submission to its end.

    python docs/benchmarks/service/footprint.py [--jobs 2000]

Makes jobs in a Valkey of its own, takes each through both stages with some progress as workers do,
and prints what the server says of its memory before, with all jobs waiting, and with all ended.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from redis import Redis

from service.contract.job import DrivingKind, JobInputs, Output, Progress, new_job_id
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.stores.job_store import commands, presence, retention
from service.stores.job_store.hints import message
from service.stores.job_store.store import JobStore
from tests.servers import valkey

# Reports of progress of one render; workers send one with each renewal of the lease and each step.
REPORTS = 25
OUTPUTS = (Output.RESULT, Output.POSTER, Output.POSE, Output.REVIEW, Output.MANIFEST)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2000)
    count = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder, valkey(Path(folder)) as (url, _):
        redis, jobs = Redis.from_url(url), JobStore.connect(url)
        redis.config_set("appendonly", "yes")
        jobs.run(presence.workers())
        empty = used(redis)
        for _ in range(count):
            make(jobs)
        waiting = used(redis)
        while (record := jobs.run(commands.claim_next(Queue.PREPARE, "w", 60_000))) is not None:
            finish(jobs, record.id, record.token)
        redis.delete(Queue.PREPARE.task)
        trim(redis, jobs)
        ended, written = used(redis), int(redis.info("persistence")["aof_current_size"])
        jobs.close()
    print("| of one job, kB | measured |\n|---|---|")
    print(f"| memory while it waits | {(waiting - empty) / count / 1000:.1f} |")
    kib_per_job = (ended - empty) / count / 1000
    print(f"| memory 15 minutes after its end, {REPORTS + 5} events | {kib_per_job:.1f} |")
    print(f"| append-only file until it is rewritten | {written / count / 1000:.1f} |")


def trim(redis: Redis, jobs: JobStore) -> None:
    """Trim the events of all ended jobs, as the sweeper does a quarter of an hour later."""
    redis.zadd("tcan:untrimmed", dict.fromkeys(redis.zrange("tcan:untrimmed", 0, -1), 0))
    while jobs.run(retention.trim_events()):
        pass


def used(redis: Redis) -> int:
    """Return the data's size in bytes, as the server reports it."""
    return int(redis.info("memory")["used_memory_dataset"])


def make(jobs: JobStore) -> None:
    """Create a job as a gateway does."""
    job_id = new_job_id()
    inputs = JobInputs(
        image=f"jobs/{job_id}/image.png",
        driving=f"jobs/{job_id}/driving.mp4",
        driving_kind=DrivingKind.VIDEO,
        frames=150,
    )
    hint = message(job_id, Queue.PREPARE)
    jobs.run(commands.create(job_id, JobParams(seed=7), inputs, hint=hint))


def finish(jobs: JobStore, job_id: str, token: int) -> None:
    """Write what workers write about the job."""
    jobs.run(commands.hand_over(job_id, token, Queue.RENDER, f"jobs/{job_id}/1/p.json", []))
    record = jobs.run(commands.claim(job_id, Queue.RENDER, "worker-host-7-ab12", 60_000))
    assert record is not None
    for step in range(1, REPORTS + 1):
        progress = Progress(stage="denoise", step=step, steps=REPORTS, fraction=step / REPORTS)
        jobs.run(commands.renew(job_id, record.token, 60_000, progress))
    outputs = {output: f"jobs/{job_id}/2/{output}" for output in OUTPUTS}
    jobs.run(commands.succeed(job_id, record.token, outputs, [], {"prepare": 1.0, "denoise": 60.0}))


if __name__ == "__main__":
    main()
