"""Body of a submission: multipart with the files, or JSON with their URLs or upload ids."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from anyio import to_thread
from pydantic import BaseModel, ValidationError

from service.contract.errors import ErrorCode
from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.requests import AnimateRequest, PosesRequest
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.stores.object_store.base import Content
from service.submission.field_problems import field_problems, summary
from service.submission.multipart import Part, receive
from service.submission.spool import Spool

MAX_JSON_BYTES = 64 * 1024
UNREADABLE = {"image": ErrorCode.INVALID_IMAGE, "driving": ErrorCode.INVALID_VIDEO}
# Text of this length in place of a file is taken for its name.
MAX_NAME_BYTES = 1024

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class SubmissionBody:
    """The body of a submission.

    Attributes:
        files: the inputs in the body, by `image` and `driving`: bytes, or files when big.
        urls: URLs of inputs.
        uploads: upload ids of inputs.
    """

    kind: JobKind
    params: JobParams
    options: JobOptions
    files: Mapping[str, Content] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)
    uploads: Mapping[str, str] = field(default_factory=dict)

    async def fingerprint(self) -> str:
        """Return a digest that equal requests share; it reads the files."""
        if any(isinstance(content, Path) for content in self.files.values()):
            return await to_thread.run_sync(self._fingerprint)
        return self._fingerprint()

    def _fingerprint(self) -> str:
        content = {
            "kind": self.kind,
            "params": self.params.model_dump(mode="json"),
            "options": self.options.model_dump(mode="json"),
            "files": {name: _sha256(content) for name, content in self.files.items()},
            "urls": dict(self.urls),
            "uploads": dict(self.uploads),
        }
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
        return _from_json(kind, await _read_small(chunks))
    if not _is_form(headers):
        raise _wrong_type(headers)
    files = await receive(headers, chunks, allowed_parts(kind, limits), spool)
    for name in UNREADABLE:
        _check_is_file(name, files.get(name))
    params = read_model(JobParams, "params", _text(files.pop("params", None)))
    options = read_model(JobOptions, "options", _text(files.pop("options", None)))
    return SubmissionBody(kind, params, options, files=files)


async def read_json(
    model: type[M], headers: Mapping[str, str], chunks: AsyncIterator[bytes]
) -> M | None:
    """Parse a small JSON body, or return None without a body.

    Raises:
        RejectedError: wrong content type, too large, or invalid.
    """
    text = await _read_small(chunks)
    if not text:
        return None
    if not is_json(headers):
        raise RejectedError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type must be application/json, got {headers.get('content-type', 'none')}",
        )
    return read_model(model, "body", text, ErrorCode.INVALID_REQUEST)


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


def _check_is_file(name: str, content: Content | None) -> None:
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
        fix = f"to have a URL downloaded, send JSON with {name}_url"
    else:
        fix = f"to send a file with curl, use -F {name}=@{text}"
    raise RejectedError(
        UNREADABLE[name], f"{name}: the part is the text {text!r}, not a file; {fix}"
    )


def allowed_parts(kind: JobKind, limits: InputLimits) -> dict[str, Part]:
    """Return the parts of a multipart submission with their limits."""
    parts = {
        "driving": Part(limits.max_driving_bytes),
        "options": Part(MAX_JSON_BYTES, required=False),
    }
    if kind is JobKind.ANIMATE:
        parts["image"] = Part(limits.max_image_bytes)
        parts["params"] = Part(MAX_JSON_BYTES, required=False)
    return parts


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
    model = AnimateRequest if kind is JobKind.ANIMATE else PosesRequest
    body = read_model(model, "body", text)
    params = body.params if isinstance(body, AnimateRequest) else JobParams()
    fields = body.model_dump(exclude={"params", "options"}, exclude_none=True)
    return SubmissionBody(
        kind,
        params,
        body.options,
        urls=_with_suffix(fields, "_url"),
        uploads=_with_suffix(fields, "_upload"),
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
    with open(content, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
