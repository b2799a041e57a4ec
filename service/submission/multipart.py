"""A multipart body, streamed part by part into files; never more of it in memory than one chunk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi.concurrency import run_in_threadpool
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.contract.errors import ErrorCode
from service.errors import Rejected

# One hop to a thread writes this much; the network's own chunks are smaller.
BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Part:
    """One part that a route takes: at most so many bytes."""

    max_bytes: int
    required: bool = True


async def receive(
    content_type: str | None, chunks: AsyncIterator[bytes], parts: Mapping[str, Part], folder: Path
) -> dict[str, Path]:
    """Write each part of a multipart body to `folder / name`.

    Args:
        content_type: the header of the request.
        chunks: the body as it arrives.
        parts: the parts that are taken, by name.
        folder: exists and is empty.

    Returns:
        The files by the names of their parts.

    Raises:
        Rejected: not multipart, malformed, an unknown, doubled or missing part, or too many bytes;
            at the first byte that is too many.
    """
    receiver = _Receiver(_boundary(content_type), parts, folder)
    try:
        batch = bytearray()
        async for chunk in chunks:
            batch += chunk
            if len(batch) >= BATCH_BYTES:
                await run_in_threadpool(receiver.feed, bytes(batch))
                batch.clear()
        await run_in_threadpool(receiver.feed, bytes(batch))
        return receiver.finish()
    finally:
        receiver.close()


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Rejected(
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            f"multipart/form-data is taken here, not {kind.decode('latin-1') or 'nothing'}",
        )
    if not options.get(b"boundary"):
        raise Rejected(ErrorCode.MALFORMED_BODY, "the Content-Type names no boundary")
    return options[b"boundary"]


@dataclass
class _Headers:
    """The headers of the part that begins."""

    name: bytes = b""
    value: bytes = b""
    disposition: bytes = b""

    def end_of_one(self) -> None:
        if self.name.lower() == b"content-disposition":
            self.disposition = self.value
        self.name = self.value = b""


@dataclass
class _Receiver:
    """Callbacks of the parser; writes what it finds."""

    boundary: bytes
    parts: Mapping[str, Part]
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    ended: bool = False
    _headers: _Headers = field(default_factory=_Headers)
    _name: str = ""
    _size: int = 0
    _stream: BinaryIO | None = None

    def __post_init__(self) -> None:
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
            raise Rejected(
                ErrorCode.MALFORMED_BODY, f"the boundary is not valid: {error}"
            ) from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise Rejected(ErrorCode.MALFORMED_BODY, f"not a multipart body: {error}") from error

    def finish(self) -> dict[str, Path]:
        if not self.ended:
            raise Rejected(ErrorCode.MALFORMED_BODY, "the body ends before its last boundary")
        for name, part in self.parts.items():
            if part.required and name not in self.files:
                raise Rejected(ErrorCode.INVALID_REQUEST, f"the part {name!r} is missing")
        return self.files

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _part_begins(self) -> None:
        self._headers = _Headers()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._headers.name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._headers.value += data[start:end]

    def _header_ends(self) -> None:
        self._headers.end_of_one()

    def _headers_end(self) -> None:
        _, options = parse_options_header(self._headers.disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name not in self.parts:
            taken = ", ".join(self.parts)
            raise Rejected(ErrorCode.INVALID_REQUEST, f"unknown part {name!r}; taken are {taken}")
        if name in self.files:
            raise Rejected(ErrorCode.INVALID_REQUEST, f"the part {name!r} comes twice")
        self._name, self._size = name, 0
        self.files[name] = self.folder / name
        self._stream = open(self.files[name], "wb")

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        most = self.parts[self._name].max_bytes
        if self._size > most:
            raise Rejected(
                ErrorCode.BODY_TOO_LARGE, f"the part {self._name!r} has more than {most} bytes"
            )
        assert self._stream is not None
        self._stream.write(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        self.close()
        self._stream = None

    def _body_ends(self) -> None:
        self.ended = True
