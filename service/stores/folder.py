"""Objects in a local folder, with links that the gateway's own route serves."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.stores.objects import ObjectMissingError, UploadForm, checked

ROUTE = "/objects/"
UPLOAD_ROUTE = "/objects"


class FolderObjects:
    """One file per object.

    Args:
        folder: where the files are; made when missing.
        signing_key: secret under the links.
        link_ttl_s: life of a link.
        now_s: the time that links are measured by, in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        signing_key: bytes,
        *,
        link_ttl_s: int = 900,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._signing_key = signing_key
        self._link_ttl_s = link_ttl_s
        self._now_s = now_s

    def path(self, key: str) -> Path:
        """Where the object's file is, whether it exists or not."""
        return self._folder / checked(key)

    def put(self, key: str, file: Path) -> None:
        """Move or copy the file in; it is on the disk before its name appears."""
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        _move(file, partial)
        _sync(partial)
        os.replace(partial, target)
        _sync(target.parent)

    def fetch(self, key: str, file: Path) -> None:
        """Copy the object out. Raises ObjectMissingError."""
        try:
            shutil.copyfile(self.path(key), file)
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        """The object's bytes. Raises ObjectMissingError."""
        try:
            return self.path(key).stat().st_size
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        """A form for a route of the gateway, signed and short-lived."""
        expires = str(int(self._now_s()) + ttl_s)
        signature = self._signature("upload", checked(key), str(max_bytes), expires)
        fields = {"key": key, "max_bytes": str(max_bytes), "expires": expires}
        return UploadForm(UPLOAD_ROUTE, {**fields, "signature": signature})

    def put_form(self, fields: Mapping[str, str], file: Path) -> None:
        """Store the file of a form.

        Raises:
            Rejected: the form was altered or is too old, or the file is empty or too big.
        """
        key, max_bytes, expires = fields["key"], fields["max_bytes"], fields["expires"]
        genuine = self._signature("upload", key, max_bytes, expires)
        if not _equal(genuine, fields["signature"]) or int(expires) < self._now_s():
            raise Rejected(ErrorCode.INVALID_SIGNATURE, "ask POST /uploads for a new form")
        if not 1 <= file.stat().st_size <= int(max_bytes):
            raise Rejected(ErrorCode.BODY_TOO_LARGE, f"the file needs 1 to {max_bytes} bytes")
        self.put(key, file)

    def delete(self, prefix: str) -> None:
        """Erase every object under `prefix`."""
        shutil.rmtree(self.path(prefix), ignore_errors=True)

    def link(self, key: str, filename: str) -> str:
        """A URL of the gateway, signed and short-lived."""
        expires = str(int(self._now_s()) + self._link_ttl_s)
        signature = self._signature("link", key, filename, expires)
        query = urlencode({"filename": filename, "expires": expires, "signature": signature})
        return f"{ROUTE}{quote(checked(key))}?{query}"

    def open_link(self, key: str, filename: str, expires: str, signature: str) -> Path:
        """The file behind a link. Raises Rejected when it was altered or is too old."""
        genuine = self._signature("link", key, filename, expires)
        if not _equal(genuine, signature) or int(expires) < self._now_s():
            raise Rejected(ErrorCode.INVALID_SIGNATURE, "ask the job's own address for a new link")
        path = self.path(key)
        if not path.is_file():
            raise ObjectMissingError(key)
        return path

    def _signature(self, *words: str) -> str:
        text = "\n".join(words).encode()
        return hmac.new(self._signing_key, text, hashlib.sha256).hexdigest()


def read_signing_key(file: Path) -> bytes:
    """The secret in `file`; made at first use, and readable by its owner alone."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(secrets.token_bytes(32))
    try:
        os.link(partial, file)  # unlike a rename this lets the first of two win
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return file.read_bytes()


def _equal(genuine: str, given: str) -> bool:
    return hmac.compare_digest(genuine.encode(), given.encode())


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
