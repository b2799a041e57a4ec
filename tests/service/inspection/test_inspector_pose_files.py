"""The gateway rejects pose files with the error codes of the API."""

from __future__ import annotations

import pytest

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.inspection.decoder import Decoder
from service.inspection.inspector import QUICK_BYTES, inspect_inputs
from tests import samples

LIMITS = InputLimits(max_frames=1000, max_pose_bytes=10**6)
SMALL, LARGE = samples.poses(5), samples.poses(500)  # checked in this process, in a child


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["in process", "in a child"])
def test_pose_file_is_inspected(content: bytes, decoder: Decoder) -> None:
    assert (len(content) > QUICK_BYTES) == (content is LARGE)
    frames = 5 if content is SMALL else 500
    assert inspect_inputs({"driving": content}, LIMITS, decoder)["driving"].frames == frames


@pytest.mark.parametrize("copies", [1, 100], ids=["in process", "in a child"])
@pytest.mark.parametrize(
    ("frame", "limits", "code"),
    [
        (samples.poses(1)[1:-1].replace(b"32.0", b"null"), {}, ErrorCode.INVALID_POSE_FILE),
        (samples.poses(1)[1:-1], {"min_side": 65}, ErrorCode.INVALID_POSE_FILE),
        (samples.poses(1)[1:-1], {"max_frame_pixels": 4095}, ErrorCode.INVALID_POSE_FILE),
        (samples.poses(1)[1:-1], {"max_frames": 4}, ErrorCode.VIDEO_TOO_LONG),
        (samples.poses(1)[1:-1], {"max_pose_bytes": 400}, ErrorCode.BODY_TOO_LARGE),
        (samples.poses(1, people=0)[1:-1], {}, ErrorCode.NO_PERSON),
        (samples.poses(1)[1:-1].replace(b"1.0", b"0.0"), {}, ErrorCode.NO_PERSON),
    ],
)
def test_pose_file_is_rejected_with_its_error_code(
    frame: bytes, limits: dict[str, int], code: ErrorCode, copies: int, decoder: Decoder
) -> None:
    content = b"[" + b",".join([frame] * 5 * copies) + b"]"
    with pytest.raises(RejectedError, match="^driving: ") as raised:
        inspect_inputs({"driving": content}, LIMITS.model_copy(update=limits), decoder)
    assert raised.value.code is code
