"""Error codes of the API for the problems of uploaded files."""

from __future__ import annotations

from collections.abc import Mapping

from media.errors import Problem
from service.contract.errors import ErrorCode
from service.errors import RejectedError

_POSES = {
    Problem.INVALID: ErrorCode.INVALID_POSE_FILE,
    Problem.TOO_LARGE: ErrorCode.BODY_TOO_LARGE,
    Problem.TOO_LONG: ErrorCode.VIDEO_TOO_LONG,
    Problem.NO_PERSON: ErrorCode.NO_PERSON,
}
# By role of the file.
CODES: Mapping[str, Mapping[Problem, ErrorCode]] = {
    "image": {
        Problem.INVALID: ErrorCode.INVALID_IMAGE,
        Problem.TOO_SMALL: ErrorCode.IMAGE_TOO_SMALL,
        Problem.TOO_LARGE: ErrorCode.IMAGE_TOO_LARGE,
        Problem.TOO_NARROW: ErrorCode.IMAGE_TOO_NARROW,
    },
    "driving": {
        Problem.INVALID: ErrorCode.INVALID_VIDEO,
        Problem.TOO_SMALL: ErrorCode.VIDEO_TOO_SMALL,
        Problem.TOO_LARGE: ErrorCode.VIDEO_TOO_LARGE,
        Problem.TOO_LONG: ErrorCode.VIDEO_TOO_LONG,
    },
    "poses": _POSES,
    "image_pose": _POSES,
}


def rejection(role: str, problem: Problem, detail: str) -> RejectedError:
    """Return the error for a file; a problem that its role cannot have is a false answer."""
    return RejectedError(CODES[role].get(problem, ErrorCode.DECODER_STOPPED), detail)
