"""Checks of uploaded files by `media`, with the error codes of the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from media.errors import FileError, Problem
from media.files import MediaFile
from media.image_file import check_image
from media.poses.document import parse_pose_file
from media.video_check import VideoSummary, check_video
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import InputLimits

IMAGE_CODES = {
    Problem.INVALID: ErrorCode.INVALID_IMAGE,
    Problem.TOO_SMALL: ErrorCode.IMAGE_TOO_SMALL,
    Problem.TOO_LARGE: ErrorCode.IMAGE_TOO_LARGE,
    Problem.TOO_NARROW: ErrorCode.IMAGE_TOO_NARROW,
}
VIDEO_CODES = {
    Problem.INVALID: ErrorCode.INVALID_VIDEO,
    Problem.TOO_SMALL: ErrorCode.VIDEO_TOO_SMALL,
    Problem.TOO_LARGE: ErrorCode.VIDEO_TOO_LARGE,
    Problem.TOO_LONG: ErrorCode.VIDEO_TOO_LONG,
}
POSE_FILE_CODES = {
    Problem.INVALID: ErrorCode.INVALID_POSE_FILE,
    Problem.TOO_LARGE: ErrorCode.BODY_TOO_LARGE,
    Problem.TOO_LONG: ErrorCode.VIDEO_TOO_LONG,
}


def inspect_image(file: MediaFile, limits: InputLimits) -> str:
    """Return the suffix of an image's format. Raises RejectedError; see `check_image`."""
    with _rejections(IMAGE_CODES):
        return check_image(file, limits.image())


def inspect_video(file: MediaFile, limits: InputLimits) -> VideoSummary:
    """Return what a driving video declares. Raises RejectedError; see `check_video`."""
    with _rejections(VIDEO_CODES):
        return check_video(file, limits.video())


def check_pose_file_size(size_bytes: int, limits: InputLimits) -> None:
    """Raise RejectedError when a pose file is too large."""
    with _rejections(POSE_FILE_CODES):
        limits.pose_file().check_bytes("driving", size_bytes)


def inspect_poses(data: bytes, limits: InputLimits) -> int:
    """Return the number of frames of a pose file.

    Raises:
        RejectedError: see `parse_pose_file`; also when no frame has a person.
    """
    with _rejections(POSE_FILE_CODES):
        document = parse_pose_file("driving", data, limits=limits.pose_file())
    if not any(person.is_detected for people in document.frames for person in people):
        raise RejectedError(
            ErrorCode.NO_PERSON,
            f"driving: no person in any of the {len(document.frames):,} frames of poses",
        )
    return len(document.frames)


@contextmanager
def _rejections(codes: dict[Problem, ErrorCode]) -> Iterator[None]:
    try:
        yield
    except FileError as error:
        raise RejectedError(codes[error.problem], str(error)) from error
