"""The part of a driving video that a job uses, for its checks, its quota and its estimate.

A pose file counts whole: its frame rate is read by the worker, and a quota counts the default rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from media import trim as media_trim
from media.errors import ParameterError
from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.contract.params import Trim
from service.errors import RejectedError
from service.inspection.inspector import InputInfo


def check_trim(infos: Mapping[str, InputInfo], trim: Trim | None) -> None:
    """Raise RejectedError (`invalid_params`) if the part begins behind the video's end."""
    info = infos.get("driving")
    if info is None or trim is None or not _has_length(info):
        return
    try:
        _part(trim).check("the driving video", info.frames or 0, _fps(info))
    except ParameterError as error:
        errors = [{"field": "params.trim.start_s", "detail": str(error)}]
        raise RejectedError(ErrorCode.INVALID_PARAMS, str(error), errors=errors) from error


def trimmed(info: InputInfo, trim: Trim | None) -> InputInfo:
    """Return the properties of a driving input with the length of its part."""
    if trim is None or not _has_length(info):
        return info
    frames = len(range(info.frames or 0)[_part(trim).frames(_fps(info))])
    return replace(info, frames=frames, seconds=frames / _fps(info))


def _has_length(info: InputInfo) -> bool:
    return info.kind is DrivingKind.VIDEO and bool(info.frames and info.seconds)


def _fps(info: InputInfo) -> float:
    return (info.frames or 0) / (info.seconds or 1.0)


def _part(trim: Trim) -> media_trim.Trim:
    return media_trim.Trim(trim.start_s, trim.end_s)
