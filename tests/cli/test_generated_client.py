"""The client that openapi-python-client makes from the service's own description does a job."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests import samples
from tests.cli.conftest import Up
from tests.servers import wait_until
from tests.worker.paint import count_frames

pytestmark = [pytest.mark.e2e, pytest.mark.long]

PACKAGE = "tcan_as_generated"


def generate(url: str, folder: Path) -> None:
    """Write the package into the folder; a warning is an error."""
    scripts = sysconfig.get_path("scripts")
    command = [f"{scripts}/openapi-python-client", "generate", "--url", f"{url}/openapi.json"]
    command += ["--output-path", str(folder / PACKAGE), "--meta", "none", "--fail-on-warning"]
    # It formats with the ruff that it finds on the path.
    path = os.pathsep.join([scripts, os.environ["PATH"]])
    ran = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "warning" not in (ran.stdout + ran.stderr).lower()


def test_a_generated_client_submits_polls_and_fetches(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(up.url, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    models, types = (import_module(f"{PACKAGE}.{name}") for name in ("models", "types"))

    def file(name: str, content: bytes) -> Any:
        return types.File(BytesIO(content), name)

    def body(image: bytes) -> Any:
        return models.AnimateFilesBody(
            image=file("image.png", image),
            driving=file("driving.mp4", samples.video(tmp_path, frames=6)),
            params=models.JobParams(seed=3),
        )

    with import_module(PACKAGE).Client(base_url=up.url, follow_redirects=True) as client:

        def call(route: str, *words: str, **named: Any) -> Any:
            module = import_module(f"{PACKAGE}.api.{route}")
            return module.sync_detailed(*words, client=client, **named)

        refused = call("submit.animate", body=body(b"text"))
        assert (refused.status_code, refused.parsed.code) == (422, models.ErrorCode.INVALID_IMAGE)
        made = call("submit.animate", body=body(samples.png()), idempotency_key=uuid4().hex)
        assert made.status_code == 202, made.content
        job_id = made.parsed.id

        def ended() -> Any:
            job = call("jobs.get_job", job_id).parsed
            return job if job.ended_at else None

        job = wait_until(ended, "the job ends")
        assert (job.status, job.params.seed) == (models.JobState.SUCCEEDED, 3)
        (tmp_path / "x.mp4").write_bytes(call("results.get_result", job_id).content)
        assert count_frames(tmp_path / "x.mp4") == 6
