"""Answers to common mistakes in submissions: file names in place of files, parameters as parts."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.object_store.base import Content
from service.submission import data_urls

UNREADABLE = {
    "image": ErrorCode.INVALID_IMAGE,
    "driving": ErrorCode.INVALID_VIDEO,
    "image_pose": ErrorCode.INVALID_POSE_FILE,
}
# Text of this length in place of a file is taken for its name.
MAX_NAME_BYTES = 1024


def wrong_type_error(headers: Mapping[str, str]) -> RejectedError:
    """Return the error for a body that is neither a form nor JSON."""
    given = headers.get("content-type") or "none"
    return RejectedError(
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type must be multipart/form-data for files (curl -F driving=@dance.mp4) or "
        f"application/json for URLs and uploads, got {given}",
    )


def check_is_file(name: str, content: Content) -> None:
    """Refuse a file's name in place of the file, as `curl -F image=c.png` without @ sends it.

    Raises:
        RejectedError: the content is one short line of text that is not JSON.
    """
    if not isinstance(content, bytes) or len(content) > MAX_NAME_BYTES:
        return
    text = content.decode("utf-8", "replace").strip()
    if not text.isprintable() or text[:1] in ("", "[", "{"):
        return
    if text.startswith(("http://", "https://", data_urls.SCHEME)):
        fix = f"send a URL as {name}_url"
    else:
        fix = f"to send a file with curl, use -F {name}=@{text}"
    raise RejectedError(
        UNREADABLE[name], f"{name}: the part is the text {text!r}, not a file; {fix}"
    )


def part_hint(models: Mapping[str, type[BaseModel]], name: str) -> str:
    """Return a hint for a part whose name is that of a parameter or an option, or nothing.

    Args:
        models: models of the parts that hold JSON.
    """
    for part, model in models.items():
        if name in model.model_fields:
            return f"; it is a field of {part}: -F '{part}={{\"{name}\": ...}}'"
    return ""
