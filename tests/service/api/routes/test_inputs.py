"""The inputs of a submission: files, URLs and uploads, alone and mixed in one form."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pytest import approx
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.job import JobRecord
from service.contract.params import Trim
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.submission.multipart import SMALL_BYTES
from tests import samples
from tests.service.api.routes.test_submit import upload
from tests.service.api.test_api import expect_problem
from tests.service.web import web_server

IMAGE = ("me.png", samples.png())
POSES = ("walk.json", samples.poses())
ONE_POSE = samples.poses(1)


def record_of(jobs: JobStore, answer: Any) -> JobRecord:
    """Return the record of the job that the answer accepts."""
    assert answer.status_code == 202, answer.text
    snapshot = jobs.run(commands.read(answer.json()["id"]))
    assert snapshot is not None
    return snapshot.record


def test_pose_of_the_image_is_stored_with_the_job(
    client: TestClient, jobs: JobStore, folder_settings: Settings, tmp_path: Path
) -> None:
    files = {"image": IMAGE, "driving": POSES, "image_pose": ("pose.json", ONE_POSE)}
    record = record_of(jobs, client.post("/animate", files=files))
    assert record.contract == 3
    assert record.inputs.size_bytes == sum(len(content) for _, content in files.values())
    assert record.inputs.image_pose is not None
    open_objects(folder_settings).fetch(record.inputs.image_pose, tmp_path / "pose.json")
    assert (tmp_path / "pose.json").read_bytes() == ONE_POSE


def test_files_urls_and_uploads_are_mixed_in_one_form(client: TestClient, jobs: JobStore) -> None:
    pose, _ = upload(client, ONE_POSE)
    with web_server() as web:
        texts = {
            "driving_url": web.page("/walk.json", samples.poses(4)),
            "image_pose_upload": pose,
            "params": '{"seed": 5}',
        }
        answer = client.post("/animate", files={"image": IMAGE}, data=texts)
    record = record_of(jobs, answer)
    assert (record.inputs.frames, record.params.seed) == (4, 5)
    assert record.inputs.image_pose is not None
    urls = {"driving_url": "ftp://a.example/walk.mp4"}
    answer = client.post("/animate", files={"image": IMAGE}, data=urls)
    expect_problem(answer, 422, "invalid_params", "driving_url")


@pytest.mark.parametrize(
    ("pose", "code", "says"),
    [
        (samples.poses(1, people=2), "invalid_pose_file", "image_pose: 2 people; the image"),
        (samples.poses(1, people=0), "invalid_pose_file", "image_pose: 0 people"),
        (samples.png(), "invalid_pose_file", "image_pose: not text in UTF-8"),
        (samples.poses(400, people=2), "invalid_pose_file", "image_pose: 2 people"),
    ],
)
def test_invalid_pose_of_the_image_is_refused(
    client: TestClient, pose: bytes, code: str, says: str
) -> None:
    files = {"image": IMAGE, "driving": POSES, "image_pose": ("pose.json", pose)}
    expect_problem(client.post("/animate", files=files), 422, code, says)


def test_input_given_twice_or_not_at_all_is_named(client: TestClient) -> None:
    url = {"image_url": "https://a.example/me.png"}
    twice = client.post("/animate", files={"image": IMAGE, "driving": POSES}, data=url)
    expect_problem(twice, 422, "invalid_request", "image is given twice, as image and image_url")
    assert [entry["field"] for entry in twice.json()["errors"]] == ["image"]
    none = client.post("/animate", json=url)
    expect_problem(none, 422, "invalid_params", "driving is missing: give either driving_url")
    both = client.post("/poses", json={"driving_url": "https://a.b/c", "driving_upload": "0" * 32})
    expect_problem(both, 422, "invalid_params", "given twice, as driving_url and driving_upload")


def test_part_of_the_driving_video_counts(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    files = {"image": IMAGE, "driving": ("walk.mp4", samples.video(tmp_path, frames=10))}
    for params, frames in (
        ({"trim": {"start_s": 0.2, "end_s": 0.6}}, 4),
        ({"trim": {"start_s": 0.7}}, 3),
        ({"trim": None}, 10),
    ):
        answer = client.post("/animate", files=files, data={"params": json.dumps(params)})
        record = record_of(jobs, answer)
        assert record.inputs.frames == frames
        assert record.inputs.seconds == approx(frames / 10)
        assert answer.json()["params"]["trim"] == record.params.model_dump()["trim"]
    late = {"params": '{"trim": {"start_s": 1}}'}
    upload_id, _ = upload(client, files["driving"][1])
    for sent, more in ((files, {}), ({"image": IMAGE}, {"driving_upload": upload_id})):
        answer = client.post("/animate", files=sent, data=late | more)
        says = "trim starts at 1 s, but the driving video ends at 1 s"
        expect_problem(answer, 422, "invalid_params", says)
        assert answer.json()["errors"][0]["field"] == "params.trim.start_s"
    twisted = {"params": '{"trim": {"start_s": 2, "end_s": 1}}'}
    answer = client.post("/animate", files=files, data=twisted)
    expect_problem(answer, 422, "invalid_params", "start_s must be less than end_s, got 2 and 1")


# Frames, the rate that the file declares, parameters, seconds of the last frame and of the end.
LENGTHS_OF_POSES: list[tuple[int, float | None, dict[str, Any], float, float]] = [
    (10, None, {}, 0.36, 0.4),
    (10, 5, {}, 1.8, 2),
    (10, 5, {"fps": 20}, 0.45, 0.5),
    (400, 8, {}, 49.875, 50),  # inspected by a child
]


@pytest.mark.parametrize(("frames", "fps", "params", "last_s", "end_s"), LENGTHS_OF_POSES)
def test_part_behind_the_end_of_a_pose_file_is_refused(
    client: TestClient,
    frames: int,
    fps: float | None,
    params: dict[str, Any],
    last_s: float,
    end_s: float,
) -> None:
    poses: Any = samples.pose_frames(frames)
    poses = poses if fps is None else {"fps": fps, "frames": poses}
    files = {"image": IMAGE, "driving": ("walk.json", json.dumps(poses).encode())}
    for start_s, status in ((last_s, 202), (end_s, 422)):
        trim = {"trim": {"start_s": start_s, "end_s": 100}}
        answer = client.post("/animate", files=files, data={"params": json.dumps(params | trim)})
        assert answer.status_code == status, answer.text
    says = f"trim starts at {end_s:g} s, but the pose file ends at {end_s:g} s"
    expect_problem(answer, 422, "invalid_params", says)


def test_pose_preview_takes_the_parameters_of_poses(client: TestClient, jobs: JobStore) -> None:
    plain = record_of(jobs, client.post("/poses", files={"driving": POSES}))
    params = {"params": '{"person": 1, "trim": {"end_s": 0.04}}'}
    record = record_of(jobs, client.post("/poses", files={"driving": POSES}, data=params))
    assert (record.params.person, record.params.trim) == (1, Trim(end_s=0.04))
    only_person = {"params": '{"person": 1}'}
    person = record_of(jobs, client.post("/poses", files={"driving": POSES}, data=only_person))
    assert (plain.contract, person.contract) == (1, 3)
    seed = client.post("/poses", files={"driving": POSES}, data={"params": '{"seed": 1}'})
    expect_problem(seed, 422, "invalid_params", "seed")


def test_preset_is_one_that_live_workers_serve(client: TestClient, jobs: JobStore) -> None:
    files, params = {"image": IMAGE, "driving": POSES}, {"params": '{"preset": "mini"}'}
    none = client.post("/animate", files=files, data=params)
    expect_problem(none, 404, "preset_not_served", "no live worker serves 'mini'; served are: none")
    for name, preset, queues in (
        ("w1", "mini", tuple(Queue)),
        ("w2", "sd15", (Queue.RENDER,)),
        ("w3", "sd14", (Queue.PREPARE,)),
    ):
        info = WorkerInfo(id=name, queues=queues, preset=preset, contract=3, ready=True)
        jobs.run(presence.heartbeat(info, 3_600_000))
    record = record_of(jobs, client.post("/animate", files=files, data=params))
    assert (record.params.preset, record.contract) == ("mini", 3)
    assert jobs.redis.llen("tcan.prepare.mini") == 1
    other = client.post("/animate", files=files, data={"params": '{"preset": "sd15"}'})
    expect_problem(other, 404, "preset_not_served", "'sd15'; served are: mini. Choose one of them")
    half = client.post("/animate", files=files, data={"params": '{"preset": "sd14"}'})
    expect_problem(half, 404, "preset_not_served", "served are: mini")
    poses = {"driving_url": "http://127.0.0.1:1/", "params": {"preset": "nini"}}
    expect_problem(client.post("/poses", json=poses), 404, "preset_not_served", "mini, sd14")


def data_url(content: bytes) -> str:
    """Return the content as a `data:` URL."""
    return f"data:;base64,{b64encode(content).decode()}"


def test_inputs_are_sent_as_data_urls(
    client: TestClient, jobs: JobStore, folder_settings: Settings, tmp_path: Path
) -> None:
    small, large = samples.png(), samples.png(700, 700)
    assert len(large) > SMALL_BYTES
    driving, pose = data_url(POSES[1]), data_url(ONE_POSE)
    for image in (small, large):
        body = {"image_url": data_url(image), "driving_url": driving, "image_pose_url": pose}
        form = {name: (None, text) for name, text in body.items()}
        for answer in (client.post("/animate", json=body), client.post("/animate", files=form)):
            record = record_of(jobs, answer)
            assert record.inputs.image is not None and record.inputs.image_pose is not None
            open_objects(folder_settings).fetch(record.inputs.image, tmp_path / "image")
            assert (tmp_path / "image").read_bytes() == image
    assert list(folder_settings.spool_folder.iterdir()) == []


def test_data_url_over_the_limit_of_the_image_is_refused(folder_settings: Settings) -> None:
    limits = folder_settings.limits.model_copy(update={"max_image_bytes": 300_000})
    app = create_app(folder_settings.model_copy(update={"limits": limits}))
    with TestClient(app) as client:
        body = {"driving_url": data_url(POSES[1]), "image_url": data_url(bytes(310_000))}
        answer = client.post("/animate", json=body)
        expect_problem(answer, 413, "body_too_large", "image_url: the data: URL has about 310,")
        answer = client.post("/animate", json={**body, "image_url": data_url(bytes(400_000))})
        expect_problem(answer, 413, "body_too_large", "the body is over the limit of 465536 bytes")
        body["image_url"] = data_url(samples.png())
        answer = client.post("/animate", json={**body, "options": {"consent": "x" * 70_000}})
        expect_problem(answer, 413, "body_too_large", "without its data: URLs is over the limit")
        for metadata in ({"a": body["image_url"]}, {body["image_url"]: "a"}):
            answer = client.post("/animate", json={**body, "options": {"metadata": metadata}})
            expect_problem(answer, 422, "invalid_params", "options.metadata")
        broken = {**body, "image_url": "data:image/png;base64,*"}
        answer = client.post("/animate", json=broken)
        expect_problem(answer, 422, "url_refused", "image_url: not a valid data: URL: the data is")
        for count in (1, 1000):  # long URLs take another way
            wrapped = {**body, "image_url": "data:image/png;base64," + "AAEC\n" * count + "AAEC"}
            answer = client.post("/animate", json=wrapped)
            expect_problem(answer, 422, "url_refused", "line breaks or spaces; encode it as one")
        twice = {"image_url": data_url(samples.png())}
        answer = client.post("/animate", files={"image": IMAGE, "driving": POSES}, data=twice)
        expect_problem(answer, 422, "invalid_request", "image is given twice")
        body["image_url"] = data_url(b"GIF89a")
        expect_problem(client.post("/animate", json=body), 422, "invalid_image", "image")


def test_pose_preview_takes_an_image_alone_or_with_a_driving_file(
    client: TestClient, jobs: JobStore
) -> None:
    both = record_of(jobs, client.post("/poses", files={"image": IMAGE, "driving": POSES}))
    assert (both.contract, both.kind, both.inputs.has_driving) == (3, "poses", True)
    assert both.inputs.image is not None and both.inputs.image != both.inputs.driving
    assert both.inputs.size_bytes == len(IMAGE[1]) + len(POSES[1])
    files = {"image": IMAGE, "image_pose": ("pose.json", ONE_POSE)}
    alone = record_of(jobs, client.post("/poses", files=files))
    assert (alone.contract, alone.inputs.has_driving, alone.inputs.frames) == (3, False, 1)
    assert set(alone.inputs.object_keys()) == {"image", "image_pose"}
    # An earlier gateway can read the record, and an earlier worker finds a picture of one frame.
    assert alone.inputs.driving == alone.inputs.image
    again = record_of(jobs, client.post(f"/jobs/{alone.id}/retry"))
    assert set(again.inputs.object_keys()) == {"image", "image_pose"}


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({}, "driving is missing: .*; a preview needs driving, image or both"),
        ({"image_pose": ("p", ONE_POSE)}, "driving is missing"),
        (
            {"driving": POSES, "image_pose": ("p", ONE_POSE)},
            "image_pose is the pose of an image, and none is given; send image",
        ),
    ],
)
def test_pose_preview_without_its_inputs_is_refused(
    client: TestClient, files: dict[str, Any], detail: str
) -> None:
    answer = client.post("/poses", files=files or {"params": ("", b"{}")})
    assert answer.status_code == 422, answer.text
    assert re.search(detail, answer.json()["detail"]), answer.text
