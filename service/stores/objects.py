"""Where bytes live: one interface over a local folder and S3."""

from __future__ import annotations

import mimetypes
import re
from pathlib import Path
from typing import NamedTuple, Protocol

from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.settings import Settings

KEY = re.compile(r"[a-z0-9]+(/[a-z0-9][a-z0-9._-]*)+")


class UploadForm(NamedTuple):
    """A multipart POST to `url`: the fields, then the file as `file`."""

    url: str
    fields: dict[str, str]


class ObjectStore(Protocol):
    """Bytes by key. A key is a path of plain names; its suffix tells the content type."""

    def put(self, key: str, file: Path) -> None:
        """Store the file, whole or not at all. The file itself may be moved away."""

    def fetch(self, key: str, file: Path) -> None:
        """Write the object to `file`. Raises ObjectMissingError."""

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""

    def size(self, key: str) -> int:
        """The object's bytes. Raises ObjectMissingError."""

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        """A signed form by which a caller sends one object of 1 to `max_bytes` bytes."""

    def delete(self, prefix: str) -> None:
        """Erase every object whose key begins with `prefix` and a slash."""

    def link(self, key: str, filename: str) -> str:
        """A signed URL that serves the object for a while under a file name; it honours Range.

        The folder store's URL is relative to the gateway.
        """


class ObjectMissingError(Rejected):
    """There is no object under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(ErrorCode.NOT_FOUND, f"there is no object {key!r}")


def open_objects(settings: Settings) -> ObjectStore:
    """The store that the settings name: S3 when a bucket is set, else the data folder."""
    if settings.s3_bucket is not None:
        from service.stores.s3 import S3Objects

        return S3Objects.connect(settings)
    from service.stores.folder import FolderObjects, read_signing_key

    return FolderObjects(
        settings.objects_folder,
        read_signing_key(settings.signing_key_file),
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
