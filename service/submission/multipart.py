"""Streaming parser of multipart bodies: small parts stay in memory, big ones go into files.

Of a big body, only one chunk and the small parts are in memory.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.contract.errors import ErrorCode
from service.errors import RejectedError, did_you_mean
from service.stores.object_store.base import Content
from service.submission.spool import Spool

# A body up to this size is parsed without a thread; a part up to this size stays in memory.
SMALL_BYTES = 256 * 1024
# Sync in steps: much unsynced data delays the syncs of all other requests.
SYNC_EVERY_BYTES = 16 * 1024 * 1024
# Bytes per call in a thread; chunks from the network are smaller.
BATCH_BYTES = 256 * 1024
# Allowance for boundaries, part headers, preamble and epilogue.
FRAME_BYTES = 64 * 1024


@dataclass(frozen=True)
class Part:
    """A part that a route accepts.

    Attributes:
        max_bytes: limit on its size.
        admit: called when the part begins, with the parts before it; returns the part's limit in
            bytes, or raises RejectedError.
    """

    max_bytes: int
    required: bool = True
    admit: Callable[[Mapping[str, Content]], int] | None = None


async def receive(
    headers: Mapping[str, str],
    chunks: AsyncIterator[bytes],
    parts: Mapping[str, Part],
    spool: Spool,
    hint: Callable[[str], str] = lambda name: "",
) -> dict[str, Content]:
    """Parse a multipart body as it arrives.

    Args:
        headers: the request's headers, with `content-type` and optionally `content-length`.
        chunks: the body.
        parts: the accepted parts by name.
        spool: holds the files of big parts, and counts what is in memory of a part that needs no
            admission or has it.
        hint: returns what to do about an unknown part, or an empty string.

    Returns:
        By name: the bytes of small parts, the files of big ones.

    Raises:
        RejectedError: not multipart, malformed, an unknown, repeated, missing or refused part, or
            too many bytes (raised at the first byte over the limit); or the spool or the memory
            for bodies is full.
    """
    boundary, declared = _boundary(headers.get("content-type")), declared_bytes(headers)
    limit = sum(part.max_bytes for part in parts.values()) + FRAME_BYTES
    _check_size(declared, limit)
    receiver = _Receiver(boundary, parts, spool, declared, hint)
    batch, parsed = bytearray(), 0
    try:
        async for chunk in chunks:
            batch += chunk
            if receiver.is_unadmitted and len(batch) <= SMALL_BYTES:
                # At once: callers who may send no file must not fill the memory with a batch of it.
                parsed += len(batch)
                receiver.feed(bytes(batch))
                batch.clear()
            elif len(batch) >= BATCH_BYTES:
                parsed += len(batch)
                _check_size(parsed, limit)
                await to_thread.run_sync(receiver.feed, bytes(batch))
                batch.clear()
            if not receiver.is_unadmitted:
                spool.hold(receiver.small_bytes + len(batch))
        if parsed + len(batch) <= SMALL_BYTES:
            receiver.feed(bytes(batch))
        else:
            await to_thread.run_sync(receiver.feed, bytes(batch))
        return receiver.finish()
    finally:
        batch.clear()
        receiver.close()


def declared_bytes(headers: Mapping[str, str]) -> int:
    """Return the `content-length`, or 0 without one."""
    text = headers.get("content-length", "")
    return int(text) if text.isdecimal() else 0


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise RejectedError(
            ErrorCode.BODY_TOO_LARGE, f"the body is over the limit of {limit} bytes"
        )


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise RejectedError(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type must be multipart/form-data, got {kind.decode('latin-1') or 'none'}; "
            f"with curl, send each part by -F",
        )
    if not options.get(b"boundary"):
        raise RejectedError(
            ErrorCode.MALFORMED_BODY,
            "the Content-Type has no boundary; let the HTTP client set this header itself",
        )
    return options[b"boundary"]


@dataclass
class _Headers:
    """Collects the headers of the current part."""

    name: bytes = b""
    value: bytes = b""
    disposition: bytes = b""

    def end_header(self) -> None:
        if self.name.lower() == b"content-disposition":
            self.disposition = self.value
        self.name = self.value = b""


@dataclass
class _Receiver:
    """Callbacks of the parser; stores the parts.

    Attributes:
        declared: the body's length, reserved with the first file, so that no request stops halfway
            for want of space.
        is_unadmitted: whether a part that must be admitted has not begun yet.
    """

    boundary: bytes
    parts: Mapping[str, Part]
    spool: Spool
    declared: int
    hint: Callable[[str], str]
    found: dict[str, Content] = field(default_factory=dict)
    ended: bool = False
    _headers: _Headers = field(default_factory=_Headers)
    _name: str = ""
    _size: int = 0
    _limit: int = 0
    _written: int = 0
    _unsynced: int = 0
    _small: bytearray = field(default_factory=bytearray)
    _stream: BinaryIO | None = None

    def __post_init__(self) -> None:
        self.is_unadmitted = any(part.admit is not None for part in self.parts.values())
        try:
            self._parser = MultipartParser(
                self.boundary,
                {
                    "on_part_begin": self._part_begins,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_headers_finished": self._headers_end,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._body_ends,
                },
            )
        except FormParserError as error:
            raise RejectedError(
                ErrorCode.MALFORMED_BODY, f"invalid multipart boundary: {error}"
            ) from error

    @property
    def small_bytes(self) -> int:
        """Bytes of parts in memory."""
        small = (content for content in self.found.values() if isinstance(content, bytes))
        return len(self._small) + sum(map(len, small))

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RejectedError(
                ErrorCode.MALFORMED_BODY,
                f"malformed multipart body: {error}; let the HTTP client make the body",
            ) from error

    def finish(self) -> dict[str, Content]:
        if not self.ended:
            raise RejectedError(
                ErrorCode.MALFORMED_BODY, "the multipart body ends before its closing boundary"
            )
        for name, part in self.parts.items():
            if part.required and name not in self.found:
                raise RejectedError(
                    ErrorCode.INVALID_REQUEST,
                    f"the part {name!r} is missing; sent were {', '.join(self.found) or 'none'}",
                )
        return self.found

    def close(self) -> None:
        # An error's traceback may keep the receiver for a while.
        self.found, self._small = {}, bytearray()
        self._end_file()

    def _part_begins(self) -> None:
        self._headers = _Headers()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._headers.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers.value += data[start:end]

    def _header_ends(self) -> None:
        self._headers.end_header()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in self.parts:
            allowed, hint = ", ".join(self.parts), self.hint(name) or did_you_mean(name, self.parts)
            raise RejectedError(
                ErrorCode.INVALID_REQUEST, f"unknown part {name!r}{hint}; allowed are {allowed}"
            )
        if name in self.found:
            raise RejectedError(
                ErrorCode.INVALID_REQUEST, f"the part {name!r} was sent twice; send it once"
            )
        part = self.parts[name]
        admitted = part.max_bytes
        if part.admit is not None:
            admitted, self.is_unadmitted = part.admit(self.found), False
        self._limit = min(part.max_bytes, admitted)
        self._name, self._size, self.found[name] = name, 0, b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limit:
            raise RejectedError(
                ErrorCode.BODY_TOO_LARGE,
                f"the part {self._name!r} is over its limit of {self._limit} bytes",
            )
        piece = memoryview(data)[start:end]
        if self._stream is None and self._size <= SMALL_BYTES:
            self._small += piece
            return
        self._written += len(piece) if self._stream is not None else self._size
        self.spool.reserve("body", max(self.declared, self._written))
        if self._stream is None:
            file = self.found[self._name] = self.spool.folder / self._name
            self._stream = open(file, "wb")
            self._stream.write(self._small)
            self._small = bytearray()
            self._unsynced = 0
        self._stream.write(piece)
        self._unsynced += len(piece)
        if self._unsynced >= SYNC_EVERY_BYTES:
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._unsynced = 0

    def _part_ends(self) -> None:
        if self._stream is None:
            self.found[self._name] = bytes(self._small)
        self._end_file()
        self._small = bytearray()

    def _end_file(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _body_ends(self) -> None:
        self.ended = True
