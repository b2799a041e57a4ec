"""Objects in a local folder, with links that the gateway's own route serves."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.stores.objects import ObjectMissingError, checked

ROUTE = "/objects/"


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

    def delete(self, prefix: str) -> None:
        """Erase every object under `prefix`."""
        shutil.rmtree(self.path(prefix), ignore_errors=True)

    def link(self, key: str, filename: str) -> str:
        """A URL of the gateway, signed and short-lived."""
        expires = str(int(self._now_s()) + self._link_ttl_s)
        signature = self._signature(key, filename, expires)
        query = urlencode({"filename": filename, "expires": expires, "signature": signature})
        return f"{ROUTE}{quote(checked(key))}?{query}"

    def open_link(self, key: str, filename: str, expires: str, signature: str) -> Path:
        """The file behind a link. Raises Rejected when it was altered or is too old."""
        genuine = hmac.compare_digest(self._signature(key, filename, expires), signature)
        if not genuine or int(expires) < self._now_s():
            raise Rejected(ErrorCode.INVALID_SIGNATURE, "ask the job's own address for a new link")
        path = self.path(key)
        if not path.is_file():
            raise ObjectMissingError(key)
        return path

    def _signature(self, key: str, filename: str, expires: str) -> str:
        text = "\n".join((key, filename, expires)).encode()
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
