"""Objects in a local folder, with links that the gateway's own route serves."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

from service.contract.errors import ErrorCode
from service.errors import RejectedError, UnavailableError
from service.stores.object_store.base import (
    Content,
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
    UploadForm,
    Version,
    checked,
    size_of,
)
from service.stores.object_store.durable import sync, sync_all

ROUTE = "/objects/"
UPLOAD_ROUTE = "/objects"


class FolderObjects:
    """One file per object.

    Args:
        folder: where the files are; made when missing.
        signing_key: gives the secret under the links; asked for when the first one is made, so
            that a worker, which makes none, needs no access to it.
        link_ttl_s: life of a link.
        now_s: the time that links are measured by, in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        signing_key: Callable[[], bytes],
        *,
        link_ttl_s: int = 900,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._signing_key = cache(signing_key)
        self._link_ttl_s = link_ttl_s
        self._now_s = now_s

    def path(self, key: str) -> Path:
        """Where the object's file is, whether it exists or not."""
        return self._folder / checked(key)

    def put(self, key: str, content: Content) -> None:
        """Store it; synced to disk before its name appears. Raises UnavailableError."""
        target = self.path(key)
        with _disk(key):
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            try:
                _write(content, partial)
                sync(partial)
                os.replace(partial, target)
            except BaseException:
                _forget(partial)
                raise
            sync(target.parent)

    def put_new(self, objects: Mapping[str, New]) -> None:
        """Store objects by keys that nobody knows yet; all are on the disk when it returns.

        Raises:
            ObjectChangedError: the source of a copy is gone, or has another tag.
            UnavailableError: the disk does not take them.
        """
        self.place(objects)
        self.sync(objects)

    def place(self, objects: Mapping[str, New]) -> None:
        """`put_new` without its end: a power cut may take them until `sync` has been called."""
        placed = []
        try:
            for key, new in objects.items():
                target = self.path(key)
                placed.append(target)
                with _disk(key):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if isinstance(new, Copy):
                        self._link(new, target)
                    else:
                        _write(new, target)
        except BaseException:
            for target in placed:
                _forget(target)
            raise

    def sync(self, keys: Iterable[str]) -> None:
        """Wait until these new objects are on the disk. Raises UnavailableError."""
        with _disk(", ".join(keys)):
            sync_all([self.path(key) for key in keys], self._folder)

    def _link(self, copy: Copy, target: Path) -> None:
        """A second name is a copy: a file is never written into again once it has its name."""
        source = made = self.path(copy.source)
        try:
            try:
                os.link(source, target)
                made = target
            except FileNotFoundError:
                raise
            except OSError:  # a file system without such names, or a file that has its most
                shutil.copyfile(source, target)
            tag = _version(made).tag
        except FileNotFoundError:
            raise ObjectChangedError(copy.source) from None
        if tag != copy.tag:
            raise ObjectChangedError(copy.source)

    def fetch(self, key: str, file: Path) -> None:
        """Copy the object out. Raises ObjectMissingError."""
        try:
            shutil.copyfile(self.path(key), file)
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        return self.path(key).is_file()

    def version(self, key: str) -> Version:
        """The object's size and tag. Raises ObjectMissingError."""
        try:
            return _version(self.path(key))
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        """A form for a route of the gateway, signed and short-lived."""
        expires = str(int(self._now_s()) + ttl_s)
        signature = self._signature("upload", checked(key), str(max_bytes), expires)
        fields = {"key": key, "max_bytes": str(max_bytes), "expires": expires}
        return UploadForm(UPLOAD_ROUTE, {**fields, "signature": signature})

    def admit_form(self, fields: Mapping[str, str]) -> int:
        """How many bytes the file of a form may have, before any of them has come.

        Raises:
            RejectedError: the form was altered or is too old.
        """
        key, max_bytes, expires = fields["key"], fields["max_bytes"], fields["expires"]
        genuine = self._signature("upload", key, max_bytes, expires)
        if not _equal(genuine, fields["signature"]) or int(expires) < self._now_s():
            raise RejectedError(ErrorCode.INVALID_SIGNATURE, "ask POST /uploads for a new form")
        return int(max_bytes)

    def put_form(self, fields: Mapping[str, str], content: Content) -> None:
        """Store the file of a form accepted by `admit_form`. Raises RejectedError if empty."""
        if size_of(content) == 0:
            raise RejectedError(
                ErrorCode.INVALID_REQUEST,
                f"file: is empty; 1 to {fields['max_bytes']} bytes are taken",
            )
        self.put(fields["key"], content)

    def delete(self, prefix: str) -> None:
        """Erase every object under `prefix`. Raises UnavailableError."""
        folder = self.path(prefix)
        with _disk(prefix):
            while folder.is_dir():
                # Somebody else may erase it as well.
                with suppress(FileNotFoundError):
                    shutil.rmtree(folder)

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders in `prefix`. Raises UnavailableError."""
        with _disk(prefix), suppress(FileNotFoundError), os.scandir(self._folder / prefix) as found:
            for entry in found:
                if entry.is_dir():
                    yield entry.name

    def age_s(self, prefix: str) -> float | None:
        """Seconds since something under `prefix` took its name; None when there is nothing.

        A copy is a second name of an older file: what tells is when the file last changed at all.
        """
        folder = self.path(prefix)
        times_s = []
        with _disk(prefix):
            for path in (folder, *folder.rglob("*")):
                with suppress(FileNotFoundError):
                    times_s.append(path.stat().st_ctime)
        return self._now_s() - max(times_s) if times_s else None

    def link(self, key: str, filename: str) -> str:
        """A URL of the gateway, signed and short-lived."""
        expires = str(int(self._now_s()) + self._link_ttl_s)
        signature = self._signature("link", key, filename, expires)
        query = urlencode({"filename": filename, "expires": expires, "signature": signature})
        return f"{ROUTE}{quote(checked(key))}?{query}"

    def open_link(self, key: str, filename: str, expires: str, signature: str) -> Path:
        """The file behind a link. Raises RejectedError when it was altered or is too old."""
        genuine = self._signature("link", key, filename, expires)
        if not _equal(genuine, signature) or int(expires) < self._now_s():
            raise RejectedError(
                ErrorCode.INVALID_SIGNATURE, "ask the job's own address for a new link"
            )
        path = self.path(key)
        if not path.is_file():
            raise ObjectMissingError(key)
        return path

    def _signature(self, *words: str) -> str:
        text = "\n".join(words).encode()
        return hmac.new(self._signing_key(), text, hashlib.sha256).hexdigest()


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


@contextmanager
def _disk(key: str) -> Iterator[None]:
    """A disk that is full or read-only is a store that does not answer."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"the disk does not take {key!r}: {error}") from error


def _forget(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _equal(genuine: str, given: str) -> bool:
    return hmac.compare_digest(genuine.encode(), given.encode())


def _write(content: Content, target: Path) -> None:
    if isinstance(content, bytes):
        target.write_bytes(content)
        return
    try:
        os.replace(content, target)
    except OSError:  # another file system
        shutil.copyfile(content, target)


def _version(path: Path) -> Version:
    found = path.stat()
    return Version(found.st_size, f"{found.st_ino}-{found.st_mtime_ns}")
