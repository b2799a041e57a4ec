"""Errors of `media`, and the root of the errors of `tcan_core`.

    TcanError
    └── InputError             an input cannot be used
        ├── FileError          a file cannot be used; `problem` is the kind of rule that it breaks
        │   ├── MediaError     a video or an image: broken, empty, unsupported, over a limit
        │   └── PoseFileError  a pose file: wrong format, over a limit
        └── ParameterError     a setting is out of range, or settings contradict each other

Every class has a stable `code`, which the service reports and callers may compare.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class TcanError(Exception):
    """The root; `str(error)` is one sentence for the user."""

    code: ClassVar[str] = "internal"


class InputError(TcanError):
    """The user's input cannot be used."""

    code: ClassVar[str] = "invalid_input"


class Problem(StrEnum):
    """The kind of rule that a file breaks."""

    INVALID = "invalid"  # damaged, empty, or not the format
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"  # too many bytes or pixels
    TOO_LONG = "too_long"  # too many frames or seconds
    TOO_NARROW = "too_narrow"
    NO_PERSON = "no_person"  # in no frame of a pose file


class FileError(InputError):
    """A file cannot be used; `problem` is the kind of rule that it breaks."""

    def __init__(self, message: str, problem: Problem = Problem.INVALID) -> None:
        super().__init__(message)
        self.problem = problem


class MediaError(FileError):
    """A video or an image is broken, empty, unsupported, or over a limit."""

    code: ClassVar[str] = "invalid_media"


class PoseFileError(FileError):
    """A pose file has the wrong format or is over a limit."""

    code: ClassVar[str] = "invalid_pose_file"


class ParameterError(InputError):
    """A setting is out of range, or settings contradict each other."""

    code: ClassVar[str] = "invalid_parameter"
