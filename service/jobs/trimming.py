"""The part of a driving input that a job uses, for its checks, its quota and its estimate.

A quota counts a pose file whole and at the default rate, whatever rate the file declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from media import trim as media_trim
from media.errors import ParameterError
from media.limits import DEFAULT_FPS
from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.contract.params import Trim
from service.errors import RejectedError
from service.inspection.inspector import InputInfo


def check_trim(infos: Mapping[str, InputInfo], trim: Trim | None) -> None:
    """Raise RejectedError (`invalid_params`) if the part begins behind the input's end."""
    info = infos.get("driving")
    if info is None or trim is None or not (info.frames and info.seconds):
        return
    name = "the driving video" if info.kind is DrivingKind.VIDEO else "the pose file"
    try:
        _part(trim).check(name, info.frames, _fps(info))
    except ParameterError as error:
        errors = [{"field": "params.trim.start_s", "detail": str(error)}]
        raise RejectedError(ErrorCode.INVALID_PARAMS, str(error), errors=errors) from error


def trimmed(info: InputInfo, trim: Trim | None) -> InputInfo:
    """Return the properties of a driving input with the length of its part, if it is a video."""
    if trim is None or info.kind is not DrivingKind.VIDEO or not (info.frames and info.seconds):
        return info
    frames = len(range(info.frames)[_part(trim).frames(_fps(info))])
    return replace(info, frames=frames, seconds=frames / _fps(info))


def _fps(info: InputInfo) -> float:
    if info.kind is DrivingKind.POSES:
        return info.fps or float(DEFAULT_FPS)
    return (info.frames or 0) / (info.seconds or 1.0)


def _part(trim: Trim) -> media_trim.Trim:
    return media_trim.Trim(trim.start_s, trim.end_s)
