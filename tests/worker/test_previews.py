"""Previews: a frame of the current guess, stored and told of, never worth a job."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.events import EventKind
from service.contract.job import Output
from service.errors import Unavailable
from service.settings import Settings
from service.stores import calls, events
from service.stores.jobs import Jobs
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.animation import Picture, Step
from worker.previews import MOST, PreviewWriter


def grey() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((48, 64, 3), 128, dtype=np.uint8)


def published(folder: Path, steps: int, picture: Picture | None = grey) -> list[str]:
    """Names of the previews of so many steps, of two windows each."""
    files: list[Path] = []
    writer = PreviewWriter(lambda step: None, files.append, folder)
    for number in range(1, steps + 1):
        for _ in range(2):
            writer(Step("denoise", number, steps, number / steps, picture))
    return [file.name for file in files]


def test_a_few_previews_are_spread_over_the_steps(tmp_path: Path) -> None:
    assert published(tmp_path, 20) == [f"preview-{n}.webp" for n in (3, 6, 9, 12, 15, 18)]
    assert published(tmp_path, 3) == ["preview-1.webp", "preview-2.webp"]
    assert published(tmp_path, 1) == []
    assert len(published(tmp_path, 200)) == MOST
    with Image.open(tmp_path / "preview-3.webp") as image:
        assert (image.format, image.size) == ("WEBP", (64, 48))


def test_there_may_be_nothing_to_show(tmp_path: Path) -> None:
    assert published(tmp_path, 20, lambda: None) == []
    assert published(tmp_path, 20, None) == []


@pytest.mark.parametrize("error", [Unavailable("gone"), OSError("full"), RuntimeError("memory")])
def test_a_preview_that_fails_is_left_out(tmp_path: Path, error: Exception) -> None:
    def refuse(file: Path) -> None:
        raise error

    reported: list[Step] = []
    writer = PreviewWriter(reported.append, refuse, tmp_path)
    step = Step("denoise", 3, 20, 0.1, grey)
    writer(step)
    assert reported == [step]


def test_a_caller_sees_a_preview_while_the_job_runs(
    desk: Desk, jobs: Jobs, settings: Settings
) -> None:
    job_id = desk.submit(steps=12)
    done = desk.finish(job_id, desk.with_animator(PaintAnimator(picture=grey)))
    assert (len(done.previews), done.preview_count, Output.RESULT in done.outputs) == (5, 5, True)
    told = [e for e in jobs.run(events.events(job_id, 0)) if e.kind is EventKind.PREVIEW]
    assert [event.placed.record.preview_count for event in told] == [1, 2, 3, 4, 5]
    with TestClient(create_app(settings)) as client:
        job = client.get(f"/jobs/{job_id}").json()
        assert job["links"]["preview"] == f"/jobs/{job_id}/previews/5"
        shown = client.get(job["links"]["preview"])
        assert shown.headers["content-type"] == "image/webp"
        assert shown.content[8:12] == b"WEBP"
        missing = client.get(f"/jobs/{job_id}/previews/6")
        assert missing.json()["code"] == "no_result"


def test_a_worker_that_lost_its_job_adds_no_preview(desk: Desk, jobs: Jobs) -> None:
    job_id = desk.submit()
    assert jobs.run(calls.add_preview(job_id, 9, "jobs/x/1/previews/1.webp")) == "lost"
    assert desk.record(job_id).previews == []
