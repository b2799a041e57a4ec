"""Objects in a local folder, with links served by the gateway."""

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

from media.atomic_write import atomic_write
from service.contract.errors import ErrorCode
from service.errors import RejectedError, UnavailableError
from service.stores.object_store.base import (
    Content,
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
    Version,
    checked,
)
from service.stores.object_store.durable import sync, sync_all

ROUTE = "/objects/"


class FolderObjects:
    """One file per object.

    Args:
        folder: contains the files; created if missing.
        signing_key: returns the key that signs links; called for the first link, so that a worker,
            which makes none, needs no access to it.
        link_ttl_s: lifetime of a link.
        base_url: URL of the gateway for callers; links are paths if it is empty.
        now_s: clock for links, in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        signing_key: Callable[[], bytes],
        *,
        link_ttl_s: int = 900,
        base_url: str = "",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._signing_key = cache(signing_key)
        self._link_ttl_s = link_ttl_s
        self._base_url = base_url
        self._now_s = now_s

    def path(self, key: str) -> Path:
        """Return the path of the object's file, which need not exist."""
        return self._folder / checked(key)

    def put(self, key: str, content: Content) -> None:
        """Store it; synced to disk before its name appears. Raises UnavailableError."""
        target = self.path(key)
        with _disk(key):
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as partial:
                _write(content, partial)
                sync(partial)
            sync(target.parent)

    def put_new(self, objects: Mapping[str, New]) -> None:
        """Store objects under new keys; all are on the disk when it returns.

        Raises:
            ObjectChangedError: the source of a copy was deleted or changed.
            UnavailableError: they cannot be written.
        """
        self.place(objects)
        self.sync(objects)

    def place(self, objects: Mapping[str, New]) -> None:
        """Do `put_new` without the sync: a power cut may lose the objects before `sync`."""
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
        """Copy by a hard link: a stored file is never modified."""
        source = made = self.path(copy.source)
        try:
            try:
                os.link(source, target)
                made = target
            except OSError:  # a file system without such names, or a file that has its most
                shutil.copyfile(source, target)
            tag = _version(made).tag
        except FileNotFoundError:
            raise ObjectChangedError(copy.source) from None
        if tag != copy.tag:
            raise ObjectChangedError(copy.source)

    def fetch(self, key: str, file: Path) -> None:
        """Copy the object to `file`. Raises ObjectMissingError."""
        try:
            shutil.copyfile(self.path(key), file)
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def exists(self, key: str) -> bool:
        """Return whether the object exists."""
        return self.path(key).is_file()

    def version(self, key: str) -> Version:
        """Return the object's size and tag. Raises ObjectMissingError."""
        try:
            return _version(self.path(key))
        except FileNotFoundError:
            raise ObjectMissingError(key) from None

    def form(self, key: str, max_bytes: int, ttl_s: int) -> None:
        """Return None: a folder accepts no forms."""

    def check(self) -> None:
        """Check that the folder, or else the one that it will be created in, can be written."""
        folder = next(path for path in (self._folder, *self._folder.parents) if path.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UnavailableError(f"the object store's folder {folder} is not writable")

    def delete(self, prefix: str) -> None:
        """Delete every object under `prefix`. Raises UnavailableError."""
        folder = self.path(prefix)
        with _disk(prefix):
            while folder.is_dir():
                # Another process may delete it at the same time.
                with suppress(FileNotFoundError):
                    shutil.rmtree(folder)

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders in `prefix`. Raises UnavailableError."""
        with _disk(prefix), suppress(FileNotFoundError), os.scandir(self._folder / prefix) as found:
            for entry in found:
                if entry.is_dir():
                    yield entry.name

    def age_s(self, prefix: str) -> float | None:
        """Return the age of the newest object under `prefix`; None if there is none.

        The status change time counts, since a copy is a hard link to an older file.
        """
        folder = self.path(prefix)
        times_s = []
        with _disk(prefix):
            for path in (folder, *folder.rglob("*")):
                with suppress(FileNotFoundError):
                    times_s.append(path.stat().st_ctime)
        return self._now_s() - max(times_s) if times_s else None

    def link(self, key: str, filename: str, method: str = "GET") -> str:
        """Return a short-lived signed URL of the gateway, for any method."""
        expires = str(int(self._now_s()) + self._link_ttl_s)
        signature = self._signature(key, filename, expires)
        query = urlencode({"filename": filename, "expires": expires, "signature": signature})
        return f"{self._base_url}{ROUTE}{quote(checked(key))}?{query}"

    def open_link(self, key: str, filename: str, expires: str, signature: str) -> Path:
        """Return the file of a link. Raises RejectedError if it was altered or has expired."""
        genuine = self._signature(key, filename, expires)
        if not _equal(genuine, signature) or int(expires) < self._now_s():
            raise RejectedError(
                ErrorCode.INVALID_SIGNATURE,
                "the link has expired or was altered; get a new one from the job",
            )
        path = self.path(key)
        if not path.is_file():
            raise ObjectMissingError(key)
        return path

    def _signature(self, *words: str) -> str:
        text = "\n".join(("link", *words)).encode()
        return hmac.new(self._signing_key(), text, hashlib.sha256).hexdigest()


def read_signing_key(file: Path) -> bytes:
    """Return the secret in `file`; created at first use, readable only by its owner."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(secrets.token_bytes(32))
    try:
        os.link(partial, file)  # fails if another process was first, unlike a rename
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    return file.read_bytes()


@contextmanager
def _disk(key: str) -> Iterator[None]:
    """Raise UnavailableError for a disk that is full or read-only."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"could not write {key!r}: {error}") from error


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
    status = path.stat()
    return Version(status.st_size, f"{status.st_ino}-{status.st_mtime_ns}")
