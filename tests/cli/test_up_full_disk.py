"""The embedded service on a disk that fills up: its broker ends, and comes back with all jobs.

Needs leave to mount a file system, as root has it: `make test ARGS="-m slow
tests/cli/test_up_full_disk.py"`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from tcan_client import Client, ClientError, JobState
from tests import samples
from tests.cli.conftest import StartUp
from tests.servers import GUARD_S, wait_until
from tests.worker.disk import small_disk

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def test_a_full_disk_loses_no_accepted_job(start_up: StartUp, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder) as disk:
        assert disk.mounted, "this test mounts a tmpfs"
        up = start_up(step_s=0.1, data=folder / "data")
        parts: dict[str, Any] = {
            "image": ("image.png", samples.png()),
            "driving": ("driving.mp4", samples.video(tmp_path)),
            "params": (None, '{"num_inference_steps": 60}'),
        }

        def submit() -> httpx.Response:
            return httpx.post(f"{up.url}/animate", files=parts, timeout=GUARD_S)

        accepted = [submit().json()["id"] for _ in range(3)]
        disk.refuse("full", [])
        wait_until(lambda: "the broker ended with" in up.log.read_text(), "the log is full")
        for _ in range(3):
            refused = submit()
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert "retry-after" in refused.headers
        wait_until(lambda: up.log.read_text().count("the broker ended with") >= 4, "it tries")
        assert up.process.poll() is None

        disk.serve()
        with Client(up.url) as client:

            def state(job_id: str) -> JobState | None:
                try:
                    return client.job(job_id).status
                except ClientError:
                    return None  # on its way back

            accepted.append(wait_until(lambda: _taken(submit()), "a new job is accepted"))
            for job_id in accepted:
                wait_until(lambda: state(job_id) is JobState.SUCCEEDED, "it is done")  # noqa: B023
        up.process.terminate()
        assert up.process.wait(GUARD_S) == 0


def _taken(answer: httpx.Response) -> str | None:
    return str(answer.json()["id"]) if answer.status_code == 202 else None
