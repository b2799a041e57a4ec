"""Previews: frames of the current guess; a failed one never fails a job."""

from __future__ import annotations

import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.events import EventKind
from service.contract.job import Output
from service.contract.states import JobState
from service.errors import UnavailableError
from service.settings import Settings
from service.stores.job_store import commands, events
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.stores.object_store.s3 import make_client
from tcan_core.progress import AnimateProgress, Picture
from tests.servers import GUARD_S, S3Server, wait_until
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from tests.worker.slow_line import slow_line
from worker.job_runner import JobRunner
from worker.outputs.previews import PreviewWriter
from worker.runtime.lease import StopReason


def grey() -> NDArray[np.uint8]:
    return np.full((48, 64, 3), 128, dtype=np.uint8)


def shown(pixels: Picture, made: list[int]) -> Picture:
    """Return the same image as a function that counts its calls in `made`."""

    def picture() -> NDArray[np.uint8] | None:
        made.append(1)
        return pixels()

    return picture


def published(steps: int, picture: Picture = grey) -> dict[int, bytes]:
    """Return the previews of a run; each step starts once the last one's preview is out."""
    previews: dict[int, bytes] = {}
    made: list[int] = []
    counted = shown(picture, made)
    with PreviewWriter(lambda step: None, previews.__setitem__) as writer:
        for number in range(1, steps + 1):
            for _ in range(2):
                writer(
                    AnimateProgress(
                        "denoise", number, steps, fraction=number / steps, picture=counted
                    )
                )
                if picture is grey:
                    wait_until(lambda: len(previews) == len(made), "it is published")
    return previews


def test_previews_are_of_the_first_step_and_spread_over_the_others() -> None:
    previews = published(20)
    assert list(previews) == [1, 5, 9, 13, 17]
    assert list(published(3)) == [1, 2]
    assert list(published(1)) == []
    assert list(published(200)) == [1, 35, 69, 103, 137, 171]
    with Image.open(BytesIO(previews[1])) as image:
        assert (image.format, image.size) == ("WEBP", (64, 48))


def test_first_preview_follows_the_last_window_of_the_first_step() -> None:
    made: list[int] = []
    with PreviewWriter(lambda step: None, lambda step, packed: None) as writer:
        for window in (1, 2, 3):
            picture = shown(grey, made)
            writer(AnimateProgress("denoise", 1, 20, window, 3, window / 60, picture=picture))
            assert len(made) == window // 3


def test_steps_without_a_picture_publish_no_preview() -> None:
    assert published(20, lambda: None) == {}


@pytest.mark.parametrize("error", [UnavailableError("gone"), OSError("full"), KeyError("a bug")])
def test_failed_preview_is_skipped(error: Exception) -> None:
    tried: list[int] = []

    def refuse_the_first(step: int, packed: bytes) -> None:
        tried.append(step)
        if step == 1:
            raise error

    reported: list[AnimateProgress] = []
    with PreviewWriter(reported.append, refuse_the_first) as writer:
        for number in (1, 5):
            writer(AnimateProgress("denoise", number, 20, fraction=0.1, picture=grey))
            wait_until(lambda: tried[-1:] == [number], "it is tried")  # noqa: B023
    assert [step.step for step in reported] == [1, 5]


def test_preview_whose_image_fails_is_skipped() -> None:
    def fail() -> NDArray[np.uint8] | None:
        raise RuntimeError("out of memory")

    assert published(20, fail) == {}


def test_newest_waiting_preview_is_published() -> None:
    lease, go_on, steps = threading.Event(), threading.Event(), list[int]()

    def publish_slowly(step: int, packed: bytes) -> None:
        steps.append(step)
        lease.set()
        assert go_on.wait(GUARD_S)

    with PreviewWriter(lambda step: None, publish_slowly) as writer:
        for number in range(1, 20):
            writer(AnimateProgress("denoise", number, 20, fraction=number / 20, picture=grey))
            if number == 1:
                assert lease.wait(GUARD_S)
        assert steps == [1]
        go_on.set()
        wait_until(lambda: len(steps) == 2, "the newest is published")
    assert steps == [1, 17]


def test_a_caller_sees_a_preview_while_the_job_runs(
    desk: Desk, jobs: JobStore, settings: Settings
) -> None:
    job_id, made = desk.submit(steps=12), list[int]()

    def tell_first(step: int) -> None:
        wait_until(
            lambda: desk.record(job_id).preview_count == len(made), "the preview is announced"
        )

    painter = PaintAnimator(picture=shown(grey, made), on_step=tell_first)
    done = desk.finish(job_id, desk.with_animator(painter))
    assert (len(done.previews), done.preview_count, Output.RESULT in done.outputs) == (6, 6, True)
    info = [e for e in jobs.run(events.events(job_id, 0)) if e.kind is EventKind.PREVIEW]
    assert [event.snapshot.record.preview_count for event in info] == [1, 2, 3, 4, 5, 6]
    with TestClient(create_app(settings)) as client:
        job = client.get(f"/jobs/{job_id}").json()
        assert job["links"]["preview"] == f"/jobs/{job_id}/previews/6"
        preview = client.get(job["links"]["preview"])
        assert preview.headers["content-type"] == "image/webp"
        assert preview.content[8:12] == b"WEBP"
        missing = client.get(f"/jobs/{job_id}/previews/7")
        assert missing.json()["code"] == "no_result"


@pytest.mark.long
def test_silent_store_delays_neither_steps_nor_a_cancel(
    runner: JobRunner, jobs: JobStore, s3_server: S3Server, tmp_path: Path
) -> None:
    port = urlsplit(s3_server.endpoint_url).port
    assert port is not None
    with slow_line(port) as line:
        # It gives up much later than this test.
        far = {"s3_endpoint_url": f"http://127.0.0.1:{line.port}", "s3_timeout_s": 100.0}
        objects = open_objects(s3_server.settings(tmp_path).model_copy(update=far))
        desk = Desk(jobs, objects, replace(runner, objects=objects), tmp_path)
        job_id = desk.submit(steps=20)

        def fall_silent_and_cancel(step: int) -> None:
            if step == 8:
                # The second preview is out, and nothing else is on its way.
                wait_until(
                    lambda: "preview-5" in "".join(desk.record(job_id).previews), "a preview"
                )
                line.open.clear()
            if step == 16:
                jobs.run(commands.cancel(job_id))
                lease = rendering.lease
                assert lease is not None
                wait_until(
                    lambda: lease.stop_reason is StopReason.CANCELED, "the worker hears of it"
                )

        painter = PaintAnimator(picture=grey, on_step=fall_silent_and_cancel)
        rendering = desk.with_animator(painter)
        canceled = desk.finish(job_id, rendering)
        assert not line.open.is_set()
        assert (canceled.state, painter.done) == (JobState.CANCELED, list(range(1, 17)))
        line.open.set()
        names = ("previews", "checkpoints")
        wait_until(lambda: not [t for t in threading.enumerate() if t.name in names], "all is done")
    # What was on its way came too late, and is gone.
    assert desk.record(job_id) == canceled
    assert stored(s3_server, f"jobs/{job_id}/2/previews/") == canceled.previews


def stored(server: S3Server, prefix: str) -> list[str]:
    """Keys in the bucket."""
    client = make_client(server.settings(Path()), server.endpoint_url)
    listing = client.list_objects_v2(Bucket=server.bucket, Prefix=prefix)
    return [entry["Key"] for entry in listing.get("Contents", ())]


def test_worker_without_its_lease_adds_no_preview(desk: Desk, jobs: JobStore) -> None:
    job_id = desk.submit()
    assert jobs.run(commands.add_preview(job_id, 9, "jobs/x/1/previews/1.webp")) == "lost"
    assert desk.record(job_id).previews == []
