"""Rows of growth.py about whole parts of the service: feeds, sweeper, webhooks, memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from statistics import median

from growth_rows import LEASE_MS, fill_queue, finish, make
from growth_world import Row, World

from service.contract.job import Progress, new_job_id
from service.contract.options import JobOptions
from service.contract.queues import Queue
from service.contract.webhooks import Webhook
from service.events.hub import EventHub
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.sweeper import Sweeper
from service.outbound.guard import Guard
from service.settings import Settings
from service.stores.job_store import commands, retention
from service.stores.job_store.store import PREFIX, AsyncJobStore, scripts
from service.stores.object_store.open import open_objects
from service.views.messages import event_frame, webhook_body
from service.webhooks.deliverer import POLL_INTERVAL_S, SLOW_S, Deliverer
from service.webhooks.signing import Signer
from tests.service.receiver import Receiver, receiving

ANY = float("inf")
# A week of 100,000 jobs a day in 4 GiB.
BYTES_PER_JOB = 4 * 2**30 / 700_000
# Reports of progress of a job; after its end they are gone, so more would only take longer.
REPORTS = 20
BACKLOG = 50
MESSAGES = 10


def hold_jobs(world: World) -> None:
    """Let a worker hold `size` jobs."""
    for _ in range(world.size):
        make(world)
        world.jobs.run(commands.claim_next(Queue.PREPARE, "w", LEASE_MS))


def report_all(world: World, step: int) -> None:
    """Write progress of all leased jobs at once."""
    progress = Progress(stage="denoise", step=step, steps=1000, fraction=0.1)
    sha = world.redis.script_load(scripts()["renew"])
    with world.redis.pipeline(transaction=False) as pipe:
        for job_id in world.redis.zrange("tcan:leases", 0, -1):
            command = commands.renew(str(job_id), 1, LEASE_MS, progress)
            pipe.evalsha(sha, 1, PREFIX, command.encode())
        pipe.execute()


async def watch_all(world: World) -> list[float]:
    """Watch all leased jobs, change them at once; return the seconds until each event came."""
    jobs, ready, arrived = AsyncJobStore.connect(world.url), asyncio.Semaphore(0), list[float]()

    async def read(job_id: str) -> None:
        snapshot = await jobs.run(commands.read(job_id))
        assert snapshot is not None
        async with hub.watch(snapshot) as feed:
            ready.release()
            while not await feed.after(snapshot.record.version):
                await feed.changed(60.0)
            arrived.append(time.perf_counter())

    async with EventHub(jobs, event_frame) as hub:
        job_ids = [str(job_id) for job_id in world.redis.zrange("tcan:leases", 0, -1)]
        readers = [asyncio.create_task(read(job_id)) for job_id in job_ids]
        for _ in readers:
            await ready.acquire()
        world.redis.config_resetstat()
        began_s = time.perf_counter()
        await asyncio.to_thread(report_all, world, step=1)
        await asyncio.gather(*readers)
    await jobs.close()
    return [at_s - began_s for at_s in arrived]


def feed_lag(world: World) -> float:
    """Change all watched jobs at once; return the median lag of their events in ms per job."""
    return 1000 * median(asyncio.run(watch_all(world))) / world.size


def feed_reads(world: World) -> float:
    """Do the same; return how often the server had to read from its clients, per job."""
    asyncio.run(watch_all(world))
    return float(world.redis.info("stats")["total_reads_processed"]) / world.size


def end_jobs(world: World) -> None:
    """Fill the store with `size` jobs that have ended."""
    for _ in range(world.size):
        world.jobs.run(commands.cancel(make(world)))


def expiry_pauses(world: World) -> float:
    """Let all ended jobs expire; return how often the sweeper pauses before they are erased."""
    redis, settings = world.redis, Settings(data=world.folder / "data")
    if not redis.zcard("tcan:expiries"):
        end_jobs(world)
    redis.zadd("tcan:expiries", dict.fromkeys(map(str, redis.zrange("tcan:expiries", 0, -1)), 0))
    objects, pauses = open_objects(settings), 0
    orphans = OrphanSweeper(world.jobs, objects)
    sweeper = Sweeper(world.jobs, objects, "growth", settings.spool_folder, orphans)
    while redis.zcard("tcan:expiries"):
        pauses += not sweeper.act()
    return float(max(1, pauses))


def finish_all(world: World) -> None:
    """Fill the store with `size` jobs that succeeded."""
    for _ in range(world.size):
        finish(world, make(world), reports=REPORTS)
    trim_all(world)


def trim_all(world: World) -> None:
    """Trim the events of ended jobs, as the sweeper does a quarter of an hour after their end."""
    ended = map(str, world.redis.zrange("tcan:untrimmed", 0, -1))
    if names := dict.fromkeys(ended, 0):
        world.redis.zadd("tcan:untrimmed", names)
    while world.jobs.run(retention.trim_events()):
        pass


def finished_bytes(world: World) -> float:
    """Return the memory of a job that has ended: of all keys but those kept for a minute."""
    keys = [key for key in world.redis.scan_iter(count=1000) if not is_transient(str(key))]
    with world.redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.memory_usage(key, samples=0)
        return sum(pipe.execute()) / world.size


def is_transient(key: str) -> bool:
    """Return whether a key does not stay with ended jobs: results of claims, the broker's list."""
    return key.startswith("tcan:take:") or not key.startswith("tcan:")


def backlog_bytes(world: World) -> float:
    """Finish some queued jobs; return by how much each of them grows the server's memory."""
    fill_queue(world)
    waiting = [str(job_id) for job_id in world.redis.zrange("tcan:waiting:prepare", 0, BACKLOG - 1)]
    before = used_bytes(world)
    for job_id in waiting:
        finish(world, job_id, reports=REPORTS)
    trim_all(world)
    return max(0.0, (used_bytes(world) - before) / BACKLOG)


def used_bytes(world: World) -> int:
    """Return the server's used memory."""
    return int(world.redis.info("memory")["used_memory_dataset"])


def lag_behind_slow_receivers(world: World) -> float:
    """Return the median time in ms until a message of a caller that answers arrives."""
    return lag(world, ["good"] * (1 + MESSAGES))


def lag_of_new_callers(world: World) -> float:
    """Return the median time in ms until the first message of a new caller arrives."""
    return lag(world, [new_job_id() for _ in range(1 + MESSAGES)])


def lag(world: World, callers: Sequence[str]) -> float:
    """Return the median lag in ms of a message of each caller, while other receivers hang."""
    with receiving() as hanging, receiving() as good:
        hanging.answers_now.clear()
        for number in range(world.size):
            send(world, f"slow-{number}", hanging)
        return 1000 * median(asyncio.run(deliver(world, callers, hanging, good))[1:])


async def deliver(
    world: World, callers: Sequence[str], hanging: Receiver, good: Receiver
) -> list[float]:
    """Send a message of each caller in turn to the good receiver; return the lags in seconds."""
    jobs, lags = AsyncJobStore.connect(world.url), list[float]()
    guard = Guard.allowing("127.0.0.1")
    async with Deliverer(jobs, Signer(b"k" * 32), webhook_body, guard):
        while not hanging.messages:
            await asyncio.sleep(0.01)
        for number, caller in enumerate(callers):
            # So that the messages come at all times between two polls.
            await asyncio.sleep(POLL_INTERVAL_S * number / len(callers))
            began_s = time.perf_counter()
            await asyncio.to_thread(send, world, caller, good)
            while len(good.messages) == len(lags):
                await asyncio.sleep(0.001)
            lags.append(time.perf_counter() - began_s)
    await jobs.close()
    return lags


def send(world: World, caller: str, receiver: Receiver) -> None:
    """Let a message to a receiver be due."""
    options = JobOptions(webhook=Webhook(url=receiver.url))
    world.jobs.run(commands.cancel(make(world, caller=caller, options=options)))


ROWS = {
    "feed-lag": Row(
        "median lag of an event, per watched job that changes at once", hold_jobs, feed_lag,
        most=1.0, unit="ms/job",
    ),
    "feed-reads": Row(
        "reads of the server, per watched job that changes at once", hold_jobs, feed_reads,
        most=0.7, unit="reads",
    ),
    "expiry": Row(
        "erase expired jobs", end_jobs, expiry_pauses, ratio=1.0, most=1.0, unit="pauses",
    ),
    "bytes": Row(
        "memory of an ended job, ended jobs", finish_all, finished_bytes, ratio=1.1,
        most=BYTES_PER_JOB, unit="bytes",
    ),
    "full": Row(
        "growth of memory by a queued job that ends", fill_queue, backlog_bytes, ratio=ANY,
        most=0.0, unit="bytes",
    ),
    "slow-receivers": Row(
        "lag of a webhook message, callers whose receivers hang", lambda world: None,
        lag_behind_slow_receivers, ratio=3.0, most=1000.0, unit="ms",
    ),
    # A place is free after SLOW_S, which the next poll finds.
    "new-receiver": Row(
        "lag of a new caller's first message, callers whose receivers hang", lambda world: None,
        lag_of_new_callers, ratio=5.0, most=1000 * (SLOW_S + 2 * POLL_INTERVAL_S), unit="ms",
    ),
}  # fmt: skip
