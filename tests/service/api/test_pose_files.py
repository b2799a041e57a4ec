"""Pose files of other programs are accepted; the worker's warnings say what was changed."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from media.poses.joints import Layout
from service.contract.params import JobParams, PoseLayout
from service.input_limits import InputLimits
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tcan_client import PoseLayout as ClientLayout
from tcan_core.pipelines.animate_files import PreparedInput
from tests import samples
from tests.media.poses.cases import CASES, PIXELS, Case, image
from worker.animator import TcanAnimator


@pytest.fixture(scope="module")
def animator() -> TcanAnimator:
    """An animator that prepares jobs, and knows the pose of the image by a pose file."""
    made = TcanAnimator("mini", "cpu", InputLimits(), detects=False, renders=False)
    made.load()
    return made


@pytest.fixture(scope="module")
def plain(animator: TcanAnimator, tmp_path_factory: pytest.TempPathFactory) -> PreparedInput:
    prepared, warnings = prepare(animator, PIXELS, JobParams(), tmp_path_factory.mktemp("plain"))
    assert warnings == []
    return prepared


def prepare(
    animator: TcanAnimator, driving: Path, params: JobParams, folder: Path
) -> tuple[PreparedInput, list[str]]:
    out, picture = folder / "prepared.zip", folder / "image.png"
    picture.write_bytes(image())
    params = params.model_copy(update={"any_subject": True})
    warnings = animator.prepare(
        picture, driving, out, params, lambda progress: None, lambda: False, image_pose=PIXELS
    )
    return PreparedInput.load(out, picture), warnings


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pose_file_is_accepted_and_read(
    client: TestClient,
    jobs: JobStore,
    folder_settings: Settings,
    animator: TcanAnimator,
    plain: PreparedInput,
    case: Case,
    tmp_path: Path,
) -> None:
    files = {"image": image(), "driving": case.content()}
    answer = client.post("/animate", files=files, data={"params": json.dumps(case.params)})
    assert answer.status_code == 202, answer.text
    snapshot = jobs.run(commands.read(answer.json()["id"]))
    assert snapshot is not None
    record = snapshot.record
    assert record.inputs.frames == 24
    driving = tmp_path / Path(record.inputs.driving).name
    open_objects(folder_settings).fetch(record.inputs.driving, driving)

    prepared, warnings = prepare(animator, driving, record.params, tmp_path)

    assert (len(warnings) == 1 and case.warning in warnings[0]) if case.warning else warnings == []
    assert prepared.fps == 12
    for pose, truth in zip(prepared.poses, plain.poses, strict=True):
        assert np.abs(pose.keypoints - truth.keypoints).max() < case.error


@pytest.mark.parametrize(
    ("content", "params", "code", "detail"),
    [
        (b'{"people": []}', {}, "no_person", "driving: no person in the one frame of poses; at le"),
        (CASES["COCO-17"].content(), {}, "invalid_pose_file", "give layout coco17"),
        (PIXELS.read_bytes(), {"layout": "coco17"}, "invalid_pose_file", "the layout is coco17"),
        (
            b"[{\xe9}]",
            {},
            "invalid_pose_file",
            "not text in UTF-8 (byte 2); save the file",
        ),
        (b"PK\x03\x04" + bytes(99), {}, "invalid_pose_file", "the zip is damaged; pack it again"),
        (
            PIXELS.read_bytes(),
            {"canvas": "big"},
            "invalid_params",
            "pixels, such as 1280x720, got 'big'",
        ),
        (PIXELS.read_bytes(), {"layout": "halpe"}, "invalid_params", "openpose18"),
    ],
)
def test_pose_file_is_refused_with_what_is_allowed(
    client: TestClient, content: bytes, params: dict[str, str], code: str, detail: str
) -> None:
    files = {"image": image(), "driving": content}
    refused = client.post("/animate", files=files, data={"params": json.dumps(params)})
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert detail in refused.json()["detail"]


def test_zip_of_pose_files_waits_for_workers_that_read_it(
    client: TestClient, jobs: JobStore
) -> None:
    stream, pose = io.BytesIO(), samples.poses(1)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("0.json", pose)
    contracts = []
    for driving in (pose, stream.getvalue()):
        answer = client.post("/animate", files={"image": samples.png(), "driving": driving})
        snapshot = jobs.run(commands.read(answer.json()["id"]))
        assert snapshot is not None
        contracts.append(snapshot.record.contract)
    assert contracts == [1, 3]


def test_inspection_of_an_upload_depends_on_the_layout(client: TestClient) -> None:
    form = client.post("/uploads").json()
    content = CASES["COCO-17"].content()
    assert client.post(form["url"], data=form["fields"], files={"file": content}).is_success
    body = {"driving_upload": form["id"]}
    answers = [
        client.post("/poses", json=body | {"params": params}).status_code
        for params in ({}, {"layout": "coco17"}, {}, {"layout": "coco17"})
    ]
    assert answers == [422, 202, 422, 202]
    answers = [
        client.post(
            "/animate",
            files={"image": image(), "driving": driving},
            data={"image_pose_upload": form["id"], "params": json.dumps(params)},
        ).status_code
        for params, driving in (({"layout": "coco17"}, content), ({}, PIXELS.read_bytes()))
    ]
    assert answers == [202, 422]


def test_layouts_of_the_api_are_those_of_the_reader() -> None:
    assert [*PoseLayout] == [*Layout] == [*ClientLayout]
