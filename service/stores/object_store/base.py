"""The object store interface, with its types and errors."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from service.contract.errors import ErrorCode
from service.errors import RejectedError

KEY = re.compile(r"[a-z0-9]+(/[a-z0-9][a-z0-9._-]*)+")


# What to store: bytes, or a file that may be moved away.
Content = bytes | Path


class Version(NamedTuple):
    """Size of an object, and a tag that changes with each write."""

    size_bytes: int
    tag: str


class Copy(NamedTuple):
    """A copy of another object, if that still has this tag."""

    source: str
    tag: str


New = Content | Copy


class UploadForm(NamedTuple):
    """A multipart POST to `url`: the fields, then the file as `file`."""

    url: str
    fields: dict[str, str]


class ObjectStore(Protocol):
    """Objects by key. A key is a path of plain names; its suffix gives the content type.

    Every method raises UnavailableError if the store is unavailable, full or read-only.
    """

    def put(self, key: str, content: Content) -> None:
        """Store an object atomically."""

    def put_new(self, objects: Mapping[str, New]) -> None:
        """Store objects under new keys; all are durable when it returns.

        Raises ObjectChangedError.
        """

    def fetch(self, key: str, file: Path) -> None:
        """Write the object to `file`. Raises ObjectMissingError."""

    def exists(self, key: str) -> bool:
        """Return whether the object exists."""

    def version(self, key: str) -> Version:
        """Return the object's size and tag. Raises ObjectMissingError."""

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm | None:
        """Return a signed form for uploading one object of 1 to `max_bytes` bytes to the store.

        None if the store accepts no forms; the gateway then accepts its own (`gateway_forms`).
        """

    def check(self) -> None:
        """Check that the store answers and can be used. Raises UnavailableError."""

    def delete(self, prefix: str) -> None:
        """Delete every object whose key begins with `prefix` and a slash."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of folders in `prefix`, read on demand."""

    def age_s(self, prefix: str) -> float | None:
        """Return the age of the newest object under `prefix`; None if there is none."""

    def link(self, key: str, filename: str, method: str = "GET") -> str:
        """Return a short-lived signed URL of the object, with a file name; it supports Range.

        The folder store's URL is relative to the gateway, unless the service has a public URL.

        Args:
            method: method of the request that will use it, GET or HEAD.
        """


class ObjectMissingError(RejectedError):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(ErrorCode.NOT_FOUND, f"there is no object {key!r}")


class ObjectChangedError(RejectedError):
    """The source of a copy was deleted or changed."""

    def __init__(self, key: str) -> None:
        super().__init__(ErrorCode.UPLOAD_NOT_FOUND, f"the object {key!r} has just changed")


def size_of(content: Content) -> int:
    """Return the size of content in bytes."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def checked(key: str) -> str:
    """Return the key if it cannot point outside of the store. Raises ObjectMissingError."""
    if not KEY.fullmatch(key):
        raise ObjectMissingError(key)
    return key


def content_type(key: str) -> str:
    """Return the media type for the key's suffix."""
    # Python knows WebP from 3.13 on.
    if key.endswith(".webp"):
        return "image/webp"
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
