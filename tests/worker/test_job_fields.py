"""A job with every field that a caller may give, from the gateway to the manifest, with `mini`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from starlette.testclient import TestClient

from media.image import write_png
from media.poses.pose_file import read_pose_file
from media.video_reader import VideoReader
from service.api.app import create_app
from service.contract.job import Output
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import presence
from service.stores.job_store.store import JobStore
from tcan_core.puppets.motion import FPS
from tcan_core.puppets.pairs import render_pair
from tests.media.make_media import make_video
from tests.worker.conftest import Desk
from tests.worker.paint import count_frames
from worker.animator import TcanAnimator
from worker.job_runner import JobRunner
from worker.runtime.shutdown import Shutdown

FRAMES = 6


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def mini(runner: JobRunner, settings: Settings) -> JobRunner:
    """A runner with the preset `mini`."""
    animator = TcanAnimator("mini", "cpu", settings.limits)
    animator.load()
    return replace(runner, animator=animator, shutdown=Shutdown())


@pytest.mark.long
def test_every_field_reaches_the_result_and_its_manifest(
    client: TestClient, jobs: JobStore, desk: Desk, mini: JobRunner, tmp_path: Path
) -> None:
    render_pair(tmp_path, seed=1_000_000, num_frames=FRAMES)
    info = WorkerInfo(id="w", queues=tuple(Queue), preset="mini", contract=3, ready=True)
    jobs.run(presence.heartbeat(info, 3_600_000))
    # Nobody is found in this image, so its pose must be the given one.
    write_png(tmp_path / "black.png", np.zeros((64, 64, 3), np.uint8))
    driving, metadata = tmp_path / "sound.mp4", {"shot": "12"}
    make_video(driving, [*VideoReader(tmp_path / "driving.mp4")], fps=Fraction(FPS), audio="aac")
    trim = {"start_s": 1 / FPS, "end_s": 4 / FPS}
    params = {"seed": 7, "num_inference_steps": 1, "trim": trim, "preset": "mini", "audio": True}
    params["any_subject"] = True
    parts = {
        "image": (tmp_path / "black.png").read_bytes(),
        "image_pose": (tmp_path / "source_pose.json").read_bytes(),
        "driving": driving.read_bytes(),
    }
    texts = {"params": json.dumps(params), "options": json.dumps({"metadata": metadata})}
    job_id = client.post("/animate", files=parts, data=texts).json()["id"]

    record = desk.finish(job_id, mini)
    assert (record.state, record.error) == (JobState.SUCCEEDED, None)
    result = desk.output(record, Output.RESULT, tmp_path)
    assert count_frames(result) == 3
    with av.open(str(result)) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert heard.shape[1] / 44_100 == pytest.approx(3 / FPS, abs=0.05)
    assert np.abs(heard).max() > 0.1
    silent = desk.output(record, Output.SILENT, tmp_path)
    assert (VideoReader(silent).info.has_audio, count_frames(silent)) == (False, 3)
    assert not [warning for warning in record.warnings if "sound" in warning]
    manifest = json.loads(desk.output(record, Output.MANIFEST, tmp_path).read_text())
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    assert manifest["inputs"] == {"driving_kind": "video", "frames": 3, "sha256": digests}
    assert (manifest["preset"], manifest["metadata"]) == ("mini", metadata)
    assert {name: manifest["params"][name] for name in params} == params
    own = {"guidance_scale": 1.25, "context_size": 16, "context_overlap": 2, "ptm_tau": 3}
    assert {name: manifest["params"][name] for name in own} == own
    assert manifest["model"].items() >= own.items()

    texts["params"] = json.dumps(params | {"format": "gif"})
    job_id = client.post("/animate", files=parts, data=texts).json()["id"]
    mini.run(Queue.PREPARE, job_id)
    assert (
        "the result has no sound: only mp4 has, and the format is gif"
        in desk.record(job_id).warnings
    )

    previewed = {"params": json.dumps({"person": 0, "trim": trim})}
    answer = client.post("/poses", files={"driving": parts["driving"]}, data=previewed)
    record = desk.finish(answer.json()["id"], mini)
    keypoints = desk.output(record, Output.KEYPOINTS, tmp_path)
    assert len(read_pose_file(keypoints).frames) == 3
