"""A key that a JSON object has twice is refused wherever callers send JSON."""

from __future__ import annotations

import pytest

from media.errors import PoseFileError
from media.poses.text import read_json
from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind, JobInputs, JobKind, JobRecord
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.requests import AnimationRequest, UploadRequest
from service.contract.states import JobState
from service.errors import RejectedError
from service.submission.receive import read_model
from service.submission.retry import read_retry

CASES = [
    (JobParams, '{"seed": 7, "seed": 8}', "seed"),
    (JobParams, '{"seed": 7, "s\\u0065ed": 7}', "seed"),
    (JobOptions, '{"metadata": {"shot": "1", "shot": "2"}}', "shot"),
    (AnimationRequest, '{"params": {}, "params": {"seed": 7}}', "params"),
    (AnimationRequest, '\ufeff{"params": {"seed": 1, "seed": 2}}', "seed"),
    (UploadRequest, '{"max_bytes": 1, "max_bytes": 2}', "max_bytes"),
]


@pytest.mark.parametrize(("model", "text", "key"), CASES)
def test_repeated_key_is_named(model: type[JobParams], text: str, key: str) -> None:
    with pytest.raises(RejectedError, match=f"{key}: is given twice") as raised:
        read_model(model, "body", text.encode())
    assert raised.value.code is ErrorCode.INVALID_PARAMS
    assert raised.value.errors is not None and raised.value.errors[0]["field"] == key


def test_repeated_key_of_a_retry_is_refused() -> None:
    record = JobRecord(
        id="a",
        kind=JobKind.ANIMATE,
        state=JobState.FAILED,
        queue=Queue.RENDER,
        params=JobParams(),
        inputs=JobInputs(driving="d", driving_kind=DrivingKind.POSES),
        created_ms=1,
    )
    with pytest.raises(RejectedError, match="seed: is given twice"):
        read_retry(b'{"params": {"seed": 1, "seed": 2}}', record, "b")


def test_same_key_in_several_objects_is_allowed() -> None:
    text = b'{"params": {"seed": 7}, "options": {"metadata": {"params": "a", "seed": "b"}}}'
    assert read_model(AnimationRequest, "body", text).params.seed == 7


def test_repeated_key_of_a_pose_file_is_refused() -> None:
    with pytest.raises(PoseFileError, match="'people' is given twice"):
        read_json("a.json", b'[{"people": [], "people": []}]')
