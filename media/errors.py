"""Errors that `media` raises, and the root of those of `tcan_core`, which builds on it.

    TcanError
    └── InputError             an input cannot be used
        ├── MediaError         a video or an image: broken, empty, of an unknown kind, over a limit
        ├── PoseFileError      a pose file: not the format, or over a limit
        └── ParameterError     a setting out of its range, or settings that contradict each other

Every class carries a stable `code`, which the service reports and callers may compare.
"""

from __future__ import annotations

from typing import ClassVar


class TcanError(Exception):
    """The root; `str(error)` is one sentence for the user."""

    code: ClassVar[str] = "internal"


class InputError(TcanError):
    """What the user gave cannot be used."""

    code: ClassVar[str] = "invalid_input"


class MediaError(InputError):
    """A video or an image that is broken, empty, of an unknown kind, or over a limit."""

    code: ClassVar[str] = "invalid_media"


class PoseFileError(InputError):
    """A pose file that does not follow the format, or is over a limit."""

    code: ClassVar[str] = "invalid_pose_file"


class ParameterError(InputError):
    """A setting is out of its range, or settings contradict each other."""

    code: ClassVar[str] = "invalid_parameter"
