"""Where bytes live: one interface over a local folder and S3."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.settings import Settings

KEY = re.compile(r"[a-z0-9]+(/[a-z0-9][a-z0-9._-]*)+")


# Bytes on their way in: themselves, or a file that holds them and may be moved away.
Content = bytes | Path


class Version(NamedTuple):
    """What an object is at present.

    Attributes:
        tag: another one after each change.
    """

    size_bytes: int
    tag: str


class Copy(NamedTuple):
    """An object that is to be the same as another one, as long as that has this tag."""

    source: str
    tag: str


New = Content | Copy


class UploadForm(NamedTuple):
    """A multipart POST to `url`: the fields, then the file as `file`."""

    url: str
    fields: dict[str, str]


class ObjectStore(Protocol):
    """Bytes by key. A key is a path of plain names; its suffix tells the content type.

    What cannot be done because the store is away, full or read-only raises UnavailableError.
    """

    def put(self, key: str, content: Content) -> None:
        """Store it, whole or not at all."""

    def put_new(self, objects: Mapping[str, New]) -> None:
        """Store objects by keys that nobody knows yet; all are safe when it returns.

        Raises ObjectChangedError.
        """

    def fetch(self, key: str, file: Path) -> None:
        """Write the object to `file`. Raises ObjectMissingError."""

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    def version(self, key: str) -> Version:
        """The object's size and tag. Raises ObjectMissingError."""

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        """A signed form by which a caller sends one object of 1 to `max_bytes` bytes."""

    def delete(self, prefix: str) -> None:
        """Erase every object whose key begins with `prefix` and a slash."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Names that follow `prefix` and a slash, and have a slash behind them; read on demand."""

    def age_s(self, prefix: str) -> float | None:
        """Seconds since the newest object under `prefix` was stored; None when there is none."""

    def link(self, key: str, filename: str) -> str:
        """A signed URL that serves the object for a while under a file name; it honours Range.

        The folder store's URL is relative to the gateway.
        """


class ObjectMissingError(RejectedError):
    """There is no object under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(ErrorCode.NOT_FOUND, f"there is no object {key!r}")


class ObjectChangedError(RejectedError):
    """The source of a copy is gone, or no longer what was looked at."""

    def __init__(self, key: str) -> None:
        super().__init__(ErrorCode.UPLOAD_NOT_FOUND, f"the object {key!r} has just changed")


def size_of(content: Content) -> int:
    """Bytes of an object on its way in."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def open_objects(settings: Settings) -> ObjectStore:
    """The store that the settings name: S3 when a bucket is set, else the data folder."""
    if settings.s3_bucket is not None:
        from service.stores.object_store.s3 import S3Objects

        return S3Objects.connect(settings)
    from service.stores.object_store.folder import FolderObjects, read_signing_key

    return FolderObjects(
        settings.objects_folder,
        partial(read_signing_key, settings.signing_key_file),
        link_ttl_s=settings.link_ttl_s,
    )


def checked(key: str) -> str:
    """The key, if it cannot point outside of its store. Raises ObjectMissingError."""
    if not KEY.fullmatch(key):
        raise ObjectMissingError(key)
    return key


def content_type(key: str) -> str:
    """The media type that the key's suffix tells."""
    # Python knows WebP from 3.13 on.
    if key.endswith(".webp"):
        return "image/webp"
    return mimetypes.guess_type(key)[0] or "application/octet-stream"
