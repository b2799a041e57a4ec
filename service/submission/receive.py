"""Body of a submission: a form with files, URLs or upload ids, or JSON with the latter two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from anyio import to_thread
from pydantic import BaseModel, ValidationError

from media.digest import file_sha256
from service.contract.errors import ErrorCode
from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams, PosesParams
from service.contract.requests import (
    AnimateInputs,
    AnimationRequest,
    PosePreviewRequest,
    PosesInputs,
)
from service.contract.version import comparable
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.stores.object_store.base import Content
from service.submission.field_problems import field_problems, summary
from service.submission.multipart import Part, receive
from service.submission.spool import Spool

MAX_JSON_BYTES = 64 * 1024
INPUTS = {JobKind.ANIMATE: ("image", "driving", "image_pose"), JobKind.POSES: ("driving",)}
# Inputs that a request may leave out.
OPTIONAL_INPUTS = frozenset({"image_pose"})
REFERENCES = {JobKind.ANIMATE: AnimateInputs, JobKind.POSES: PosesInputs}
PARAMS: Mapping[JobKind, type[PosesParams]] = {
    JobKind.ANIMATE: JobParams,
    JobKind.POSES: PosesParams,
}
UNREADABLE = {
    "image": ErrorCode.INVALID_IMAGE,
    "driving": ErrorCode.INVALID_VIDEO,
    "image_pose": ErrorCode.INVALID_POSE_FILE,
}
# Text of this length in place of a file is taken for its name.
MAX_NAME_BYTES = 1024

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class SubmissionBody:
    """The body of a submission.

    Attributes:
        files: the inputs in the body, by `image`, `driving` and `image_pose`: bytes, or files when
            big.
        urls: URLs of inputs.
        uploads: upload ids of inputs.
        stored: object keys of inputs that are stored for another job.
    """

    kind: JobKind
    params: JobParams
    options: JobOptions
    files: Mapping[str, Content] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, str] = field(default_factory=dict)

    async def fingerprint(self) -> str:
        """Return a digest that equal requests share; it reads the files."""
        if any(isinstance(content, Path) for content in self.files.values()):
            return await to_thread.run_sync(self._fingerprint)
        return self._fingerprint()

    def _fingerprint(self) -> str:
        content = {
            "kind": self.kind,
            "params": comparable(self.params),
            "options": comparable(self.options),
            "files": {name: _sha256(content) for name, content in self.files.items()},
            "urls": dict(self.urls),
            "uploads": dict(self.uploads),
        }
        # Only where it is used: a repeated request may have come first to an earlier release.
        content |= {"stored": dict(self.stored)} if self.stored else {}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


async def read_request(
    kind: JobKind,
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    limits: InputLimits,
    spool: Spool,
) -> SubmissionBody:
    """Read the body; big files are streamed into `spool`.

    Raises:
        RejectedError: wrong content type, malformed, too large, or invalid parameters.
    """
    if is_json(headers):
        received, code = _from_json(kind, await _read_small(chunks)), ErrorCode.INVALID_PARAMS
    elif _is_form(headers):
        parts = await receive(headers, chunks, allowed_parts(kind, limits), spool)
        received, code = _from_parts(kind, parts), ErrorCode.INVALID_REQUEST
    else:
        raise _wrong_type(headers)
    _check_inputs(received, code)
    return received


async def read_json(
    model: type[M], headers: Mapping[str, str], chunks: AsyncIterator[bytes]
) -> M | None:
    """Parse a small JSON body, or return None without a body.

    Raises:
        RejectedError: wrong content type, too large, or invalid.
    """
    text = await read_json_text(headers, chunks)
    return read_model(model, "body", text, ErrorCode.INVALID_REQUEST) if text else None


async def read_json_text(headers: Mapping[str, str], chunks: AsyncIterator[bytes]) -> bytes:
    """Return a small JSON body, unparsed, or nothing without a body.

    Raises:
        RejectedError: wrong content type, or too large.
    """
    text = await _read_small(chunks)
    if text and not is_json(headers):
        raise RejectedError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type must be application/json, got {headers.get('content-type', 'none')}",
        )
    return text


def is_json(headers: Mapping[str, str]) -> bool:
    """Return whether the Content-Type is JSON."""
    return headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def _is_form(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith("multipart/")


def _wrong_type(headers: Mapping[str, str]) -> RejectedError:
    """Return the error for a body that is neither a form nor JSON."""
    given = headers.get("content-type") or "none"
    return RejectedError(
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        f"Content-Type must be multipart/form-data for files (curl -F driving=@dance.mp4) or "
        f"application/json for URLs and uploads, got {given}",
    )


def _check_is_file(name: str, content: Content) -> None:
    """Refuse a file's name in place of the file, as `curl -F image=c.png` without @ sends it.

    Raises:
        RejectedError: the content is one short line of text that is not JSON.
    """
    if not isinstance(content, bytes) or len(content) > MAX_NAME_BYTES:
        return
    text = content.decode("utf-8", "replace").strip()
    if not text.isprintable() or text[:1] in ("", "[", "{"):
        return
    if text.startswith(("http://", "https://")):
        fix = f"to have a URL downloaded, send it as {name}_url"
    else:
        fix = f"to send a file with curl, use -F {name}=@{text}"
    raise RejectedError(
        UNREADABLE[name], f"{name}: the part is the text {text!r}, not a file; {fix}"
    )


def allowed_parts(kind: JobKind, limits: InputLimits) -> dict[str, Part]:
    """Return the parts of a multipart submission with their limits; `_check_inputs` follows."""
    max_bytes = limits.max_bytes()
    files = {name: Part(max_bytes[name], required=False) for name in INPUTS[kind]}
    texts = (*REFERENCES[kind].model_fields, "params", "options")
    return files | {name: Part(MAX_JSON_BYTES, required=False) for name in texts}


def read_model(
    model: type[M], name: str, text: bytes, code: ErrorCode = ErrorCode.INVALID_PARAMS
) -> M:
    """Parse a JSON text. Raises RejectedError with the code."""
    try:
        return model.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = field_problems(error.errors(include_url=False), name, model)
        raise RejectedError(code, summary(problems), errors=problems) from error


def _from_json(kind: JobKind, text: bytes) -> SubmissionBody:
    if kind is JobKind.POSES:
        poses = read_model(PosePreviewRequest, "body", text)
        return _submission(kind, poses.params, poses.options, poses, {})
    body = read_model(AnimationRequest, "body", text)
    return _submission(kind, body.params, body.options, body, {})


def _from_parts(kind: JobKind, parts: dict[str, Content]) -> SubmissionBody:
    params = read_model(PARAMS[kind], "params", _text(parts.pop("params", None)))
    options = read_model(JobOptions, "options", _text(parts.pop("options", None)))
    model = REFERENCES[kind]
    texts = {
        name: _text(parts.pop(name)).decode(errors="replace")
        for name in model.model_fields
        if name in parts
    }
    references = read_model(model, "body", json.dumps(texts).encode())
    for name, content in parts.items():
        _check_is_file(name, content)
    return _submission(kind, params, options, references, parts)


def _submission(
    kind: JobKind,
    params: PosesParams,
    options: JobOptions,
    references: PosesInputs,
    files: Mapping[str, Content],
) -> SubmissionBody:
    given = references.model_dump(exclude={"params", "options"}, exclude_none=True)
    urls, uploads = _with_suffix(given, "_url"), _with_suffix(given, "_upload")
    of_job = JobParams(**dict(params))
    return SubmissionBody(kind, of_job, options, files, urls, uploads)


def _check_inputs(received: SubmissionBody, code: ErrorCode) -> None:
    """Check that each input is given once. Raises RejectedError with the code."""
    problems = {name: _input_problem(received, name) for name in INPUTS[received.kind]}
    errors = [{"field": name, "detail": text} for name, text in problems.items() if text]
    if errors:
        raise RejectedError(code, "; ".join(entry["detail"] for entry in errors), errors=errors)


def _input_problem(received: SubmissionBody, name: str) -> str:
    ways = {
        name: received.files,
        f"{name}_url": received.urls,
        f"{name}_upload": received.uploads,
    }
    given = [way for way, values in ways.items() if name in values]
    if len(given) > 1:
        return f"{name} is given twice, as {' and '.join(given)}; give it once"
    if given or name in OPTIONAL_INPUTS:
        return ""
    return (
        f"{name} is missing: give either {name}_url or {name}_upload, or send the file {name} in a "
        f"form"
    )


def _with_suffix(given: Mapping[str, str], suffix: str) -> dict[str, str]:
    return {
        name.removesuffix(suffix): value for name, value in given.items() if name.endswith(suffix)
    }


async def _read_small(chunks: AsyncIterator[bytes]) -> bytes:
    text = bytearray()
    async for chunk in chunks:
        text += chunk
        if len(text) > MAX_JSON_BYTES:
            raise RejectedError(
                ErrorCode.BODY_TOO_LARGE, f"the body is over the limit of {MAX_JSON_BYTES} bytes"
            )
    return bytes(text)


def _text(content: Content | None) -> bytes:
    if content is None:
        return b"{}"
    return content.read_bytes() if isinstance(content, Path) else content


def _sha256(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return file_sha256(content)
