"""Body of a submission: a form with files, URLs or upload ids, or JSON with the latter two.

Each is parsed in the event loop, unless a long `data:` URL makes it large.
"""

from __future__ import annotations

import hashlib
import json
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from pydantic import BaseModel, ValidationError

from media.digest import file_sha256
from service.contract.errors import ErrorCode
from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams, PosesParams
from service.contract.requests import AnimationRequest, InputReferences, PosePreviewRequest
from service.contract.version import comparable
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.stores.object_store.base import Content
from service.submission import data_urls
from service.submission.field_problems import field_problems, summary
from service.submission.form_mistakes import check_is_file, part_hint, wrong_type_error
from service.submission.multipart import SMALL_BYTES, Part, receive
from service.submission.spool import Spool

MAX_JSON_BYTES = 64 * 1024
INPUTS = ("image", "driving", "image_pose")
# Inputs that a request may leave out.
OPTIONAL_INPUTS = {JobKind.ANIMATE: {"image_pose"}, JobKind.POSES: set(INPUTS)}
PARAMS: Mapping[JobKind, type[PosesParams]] = {
    JobKind.ANIMATE: JobParams,
    JobKind.POSES: PosesParams,
}
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
    large_bodies: CapacityLimiter,
) -> SubmissionBody:
    """Read the body; big files are streamed into `spool`.

    Args:
        large_bodies: limits how many bodies with long `data:` URLs are parsed at a time.

    Raises:
        RejectedError: wrong content type, malformed, too large, or invalid parameters.
    """
    parse: Callable[[], SubmissionBody]
    if is_json(headers):
        text = await _read_json_body(chunks, max_json_bytes(limits), spool)
        parse, is_large = partial(_from_json, kind, text, limits, spool), isinstance(text, Path)
    elif _is_form(headers):
        models: dict[str, type[BaseModel]] = {"params": PARAMS[kind], "options": JobOptions}
        allowed, hint = allowed_parts(limits), partial(part_hint, models)
        parts = await receive(headers, chunks, allowed, spool, hint)
        parse = partial(_from_parts, kind, parts, limits, spool)
        is_large = any(isinstance(parts.get(name), Path) for name in InputReferences.model_fields)
    else:
        raise wrong_type_error(headers)
    return await to_thread.run_sync(parse, limiter=large_bodies) if is_large else parse()


def max_json_bytes(limits: InputLimits) -> int:
    """Return the limit on a JSON body: an image in base64, and the other fields."""
    return limits.max_image_bytes * 4 // 3 + MAX_JSON_BYTES


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


def allowed_parts(limits: InputLimits) -> dict[str, Part]:
    """Return the parts of a multipart submission with their limits; `_check_inputs` follows."""
    max_bytes = limits.max_bytes()
    files = {name: Part(max_bytes[name], required=False) for name in INPUTS}
    texts = {name: MAX_JSON_BYTES for name in ("params", "options")}
    for name in InputReferences.model_fields:
        texts[name] = max_json_bytes(limits) if name.endswith("_url") else MAX_JSON_BYTES
    return files | {name: Part(limit, required=False) for name, limit in texts.items()}


def read_model(
    model: type[M], name: str, text: bytes, code: ErrorCode = ErrorCode.INVALID_PARAMS
) -> M:
    """Parse a JSON text. Raises RejectedError with the code."""
    text = text.removeprefix(BOM_UTF8)
    try:
        read = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = field_problems(error.errors(include_url=False), name, model)
        raise RejectedError(code, summary(problems), errors=problems) from error
    check_keys(text, name, code)
    return read


def check_keys(text: bytes, name: str, code: ErrorCode) -> None:
    """Check that no object of a JSON text has a key twice; parsers take the last one.

    Args:
        name: what the text is, for the message.

    Raises:
        RejectedError: with the code, naming the keys.
    """
    repeated: list[str] = []

    def find_repeated(pairs: list[tuple[str, object]]) -> None:
        counts = Counter(key for key, _ in pairs)
        repeated.extend(key for key, count in counts.items() if count > 1)

    json.loads(text, object_pairs_hook=find_repeated)
    if repeated:
        detail = "is given twice in one object; give it once"
        errors = [{"field": key, "detail": detail} for key in repeated]
        raise RejectedError(code, f"{name}: {summary(errors)}", errors=errors)


def _from_json(kind: JobKind, body: Content, limits: InputLimits, spool: Spool) -> SubmissionBody:
    text, taken = data_urls.take_out(_text(body))
    if len(text) > MAX_JSON_BYTES:
        raise _too_large(MAX_JSON_BYTES, " without its data: URLs")
    request: AnimationRequest | PosePreviewRequest
    if kind is JobKind.ANIMATE:
        request = read_model(AnimationRequest, "body", text)
    else:
        request = read_model(PosePreviewRequest, "body", text)
    received = _submission(kind, request.params, request.options, request, {})
    _check_inputs(received, ErrorCode.INVALID_PARAMS)
    return _with_data(received, taken, limits, spool)


def _from_parts(
    kind: JobKind, parts: dict[str, Content], limits: InputLimits, spool: Spool
) -> SubmissionBody:
    params = read_model(PARAMS[kind], "params", _text(parts.pop("params", None)))
    options = read_model(JobOptions, "options", _text(parts.pop("options", None)))
    taken: dict[str, bytes] = {}
    names = [name for name in InputReferences.model_fields if name in parts]
    texts = {name: _text(parts.pop(name)) for name in names}
    for name, text in texts.items():
        if name.endswith("_url") and text.startswith(data_urls.SCHEME.encode()):
            placeholder = f"{data_urls.SCHEME}{name}"
            taken[placeholder], texts[name] = text, placeholder.encode()
    decoded = {name: text.decode(errors="replace") for name, text in texts.items()}
    references = read_model(InputReferences, "body", json.dumps(decoded).encode())
    for name, content in parts.items():
        check_is_file(name, content)
    received = _submission(kind, params, options, references, parts)
    _check_inputs(received, ErrorCode.INVALID_REQUEST)
    return _with_data(received, taken, limits, spool)


def _submission(
    kind: JobKind,
    params: PosesParams,
    options: JobOptions,
    references: InputReferences,
    files: Mapping[str, Content],
) -> SubmissionBody:
    given = references.model_dump(exclude={"params", "options"}, exclude_none=True)
    urls, uploads = _with_suffix(given, "_url"), _with_suffix(given, "_upload")
    of_job = JobParams(**dict(params))
    return SubmissionBody(kind, of_job, options, files, urls, uploads)


def _with_data(
    received: SubmissionBody, taken: Mapping[str, bytes], limits: InputLimits, spool: Spool
) -> SubmissionBody:
    """Return the body with its `data:` URLs as files.

    Args:
        taken: long URLs by their placeholders. Their content is shorter than the body, for which
            space in the spool is reserved.
    """
    files, urls = dict(received.files), dict(received.urls)
    for name, url in received.urls.items():
        if not url.startswith(data_urls.SCHEME):
            continue
        most = min(limits.max_image_bytes, limits.max_bytes()[name])
        try:
            content = data_urls.decode(taken.get(url) or url.encode(), most)
        except RejectedError as error:
            raise error.about(f"{name}_url") from error
        files[name] = content
        if len(content) > SMALL_BYTES:
            files[name] = spool.folder / name
            (spool.folder / name).write_bytes(content)
        del urls[name]
    return replace(received, files=files, urls=urls)


def _check_inputs(received: SubmissionBody, code: ErrorCode) -> None:
    """Check that each input is given once. Raises RejectedError with the code."""
    problems = {name: _input_problem(received, name) for name in INPUTS}
    given = {*received.files, *received.urls, *received.uploads}
    if not given & {"image", "driving"}:
        missing = INPUTS[:2] if received.kind is JobKind.ANIMATE else ("driving",)
        problems |= {name: _missing(name, received.kind) for name in missing}
    elif "image_pose" in given and "image" not in given:
        problems["image_pose"] = "image_pose is the pose of an image, and none is given; send image"
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
    if given or name in OPTIONAL_INPUTS[received.kind]:
        return ""
    return _missing(name, received.kind)


def _missing(name: str, kind: JobKind) -> str:
    text = (
        f"{name} is missing: give either {name}_url or {name}_upload, or send the file {name} in a "
        f"form"
    )
    return text if kind is JobKind.ANIMATE else f"{text}; a preview needs driving, image or both"


def _with_suffix(given: Mapping[str, str], suffix: str) -> dict[str, str]:
    return {
        name.removesuffix(suffix): value for name, value in given.items() if name.endswith(suffix)
    }


async def _read_small(chunks: AsyncIterator[bytes]) -> bytes:
    text = bytearray()
    async for chunk in chunks:
        text += chunk
        if len(text) > MAX_JSON_BYTES:
            raise _too_large(MAX_JSON_BYTES)
    return bytes(text)


async def _read_json_body(chunks: AsyncIterator[bytes], limit: int, spool: Spool) -> Content:
    """Return the body, or a file of the spool when it is not small."""
    text = bytearray()
    async for chunk in chunks:
        text += chunk
        if len(text) > MAX_JSON_BYTES:
            return await _spool_body(bytes(text), chunks, limit, spool)
        spool.hold(len(text))
    return bytes(text)


async def _spool_body(start: bytes, chunks: AsyncIterator[bytes], limit: int, spool: Spool) -> Path:
    """Write the start of a body and the rest of it to a file."""
    file, size = spool.folder / "body", 0
    async with await anyio.open_file(file, "wb") as stream:
        chunk: bytes | None = start
        while chunk is not None:
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            spool.reserve("body", size)
            await stream.write(chunk)
            chunk = await anext(chunks, None)
    return file


def _too_large(limit: int, what: str = "") -> RejectedError:
    return RejectedError(
        ErrorCode.BODY_TOO_LARGE, f"the body{what} is over the limit of {limit} bytes"
    )


def _text(content: Content | None) -> bytes:
    """Return a text; its file is deleted."""
    if content is None:
        return b"{}"
    if isinstance(content, bytes):
        return content
    text = content.read_bytes()
    content.unlink()
    return text


def _sha256(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    return file_sha256(content)
