"""`tcan up`: all of it starts, all of it stops, and what dies in between is started again."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest
from redis import Redis

from tcan_client import Client, JobParams, JobState
from tests import samples
from tests.cli.conftest import StartUp, Tcan, Up
from tests.servers import GUARD_S, wait_until

pytestmark = pytest.mark.e2e


def submit(client: Client, folder: Path) -> str:
    """Submit a job and return its id."""
    image = folder / "image.png"
    image.write_bytes(samples.png())
    driving = samples.write_video(folder / "driving.mp4")
    # Enough steps that the job is met at work, whenever one looks.
    return client.submit(image, driving, JobParams(num_inference_steps=40)).id


def test_service_has_three_processes_and_private_secrets(up: Up) -> None:
    lines = " ".join(up.processes().values())
    assert len(up.processes()) == 4
    for word in ("valkey-server", "gateway", "paint_worker", "paint_up"):
        assert word in lines
    url_file = up.data / "redis_url"
    assert stat.S_IMODE(url_file.stat().st_mode) == 0o600
    assert url_file.read_text().split(":")[2].split("@")[0] not in lines


@pytest.mark.long
def test_other_users_of_the_machine_can_read_nothing_that_a_run_leaves(
    start_up: StartUp, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        up = start_up(data=data)
        result = tmp_path / "result.mp4"
        with Client(up.url) as client:
            image, driving = samples.png(), samples.write_video(tmp_path / "driving.mp4")
            client.animate(image, driving, result, params=JobParams(num_inference_steps=1))
        up.process.terminate()
        assert up.process.wait(GUARD_S) == 0
    finally:
        os.umask(before)
    assert up.log.read_text().count("other users had access (mode 755); its mode is now 700") == 1
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (data, *data.rglob("*"))}
    kept = " ".join(str(path) for path in found)
    for name in ("appendonly", "logs/gateway.log", "objects/jobs", "signing.key", "webhook.key"):
        assert f"{data}/" in kept and name in kept
    assert {path: oct(mode) for path, mode in found.items() if mode & 0o077} == {}
    assert stat.S_IMODE(result.stat().st_mode) == 0o644  # the user's own umask


@pytest.mark.long
def test_a_burst_of_sigterm_stops_everything(start_up: StartUp) -> None:
    up = start_up()
    for _ in range(500):  # one comes while another is being handled
        up.process.terminate()
    assert up.process.wait(GUARD_S) == 0
    assert up.processes() == {}
    assert up.log.read_text().rstrip().endswith("Stopped")
    assert not (up.data / "redis_url").exists()


@pytest.mark.long
def test_no_process_survives_a_killed_parent(start_up: StartUp) -> None:
    up = start_up()
    up.process.kill()
    wait_until(lambda: not up.processes(), "all processes are gone")
    assert up.process.poll() == -signal.SIGKILL


@pytest.mark.slow
def test_jobs_survive_a_stop_and_a_dead_worker_is_replaced(
    start_up: StartUp, tmp_path: Path
) -> None:
    first = start_up(step_s=1.0)
    with Client(first.url) as client:
        job_id = submit(client, tmp_path)
        wait_until(lambda: client.job(job_id).status is JobState.RUNNING, "it runs")
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(GUARD_S) == 0
    second = start_up(step_s=1.0, data=first.data)
    with Client(second.url) as client:
        wait_until(lambda: client.job(job_id).status is JobState.RUNNING, "it runs again")
        os.kill(second.part("paint_worker"), signal.SIGKILL)
        with Redis.from_url((second.data / "redis_url").read_text()) as redis:
            redis.zadd("tcan:leases", {job_id: 0})
        wait_until(lambda: client.job(job_id).status is JobState.SUCCEEDED, "it is done")
    assert "the worker ended with signal SIGKILL; restarting it" in second.log.read_text()


def test_port_in_use_is_reported_and_nothing_starts(tcan: Tcan, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = tcan("up", "--port", port, "--data", str(tmp_path / "data"))
    assert refused.code == 2
    assert f"cannot listen on 127.0.0.1 port {port} (Address already in use)" in refused.err
    assert "--port" in refused.err


def test_folder_in_use_is_reported(tcan: Tcan, up: Up) -> None:
    refused = tcan("up", "--port", "0", "--data", str(up.data))
    assert refused.code == 2
    assert f"another embedded service runs on {up.data}" in refused.err


@pytest.mark.long
def test_worker_that_cannot_start_is_reported_with_the_end_of_its_log(
    start_up: StartUp, tmp_path: Path
) -> None:
    blocked = tmp_path / "data" / "spool"
    blocked.parent.mkdir()
    blocked.write_text("a file where a folder must be")
    up = start_up(data=blocked.parent, ready=False)
    assert up.process.wait(GUARD_S) != 0
    assert "ended with exit code" in up.log.read_text()
    assert up.processes() == {}
