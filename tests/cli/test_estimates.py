"""Estimates of the embedded service with `mini`, compared with what its jobs take."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import pytest

from tcan_client import Client, Job, JobParams
from tcan_core.puppets.pairs import render_pair
from tests import samples
from tests.servers import free_port, running, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Frames and steps of 20 jobs.
JOBS = (
    *((48, 4), (4, 4), (64, 4), (24, 4), (32, 8), (16, 8), (12, 4), (12, 2), (24, 8), (12, 4)),
    *((8, 12), (8, 12), (32, 4), (8, 4), (48, 4), (16, 8), (64, 4), (24, 2), (4, 2), (32, 12)),
)


def test_estimates_of_20_jobs_of_mixed_length(tmp_path: Path) -> None:
    """Compare the estimate at submission with the time until the end, one job after the other."""
    port, log = free_port(), tmp_path / "up.log"
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port)]
    render_pair(tmp_path, seed=1_000_000, num_frames=1)
    errors: list[float] = []
    with (
        running([*command, "--data", str(tmp_path / "data")], log),
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        wait_until(lambda: "Ready" in log.read_text(), "the service is ready")
        for frames, steps in JOBS:
            driving = tmp_path / "driving.json"
            driving.write_bytes(samples.poses(frames))
            params = JobParams(seed=1, num_inference_steps=steps)
            job = client.submit(tmp_path / "source.png", driving, params)
            ended = client.wait(job.id)
            assert ended.status == "succeeded", ended.error
            if job.eta is not None:
                errors.append(abs(job.eta.seconds - taken_s(ended)) / taken_s(ended))
    print("relative errors:", [round(error, 2) for error in errors])
    assert len(errors) == len(JOBS) - 1
    # The fifth job is the fourth with an estimate.
    assert statistics.median(errors[3:]) <= 0.35


def taken_s(job: Job) -> float:
    """Return the seconds from submission to the end."""
    assert job.ended_at is not None
    return (job.ended_at - job.created_at).total_seconds()
