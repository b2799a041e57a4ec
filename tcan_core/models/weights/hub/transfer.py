"""Download of one file from the hub or a mirror into a part file, from which it can resume."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256 as new_sha256
from io import BufferedIOBase
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile

ENDPOINT_SETTING = "TCAN_HUB_ENDPOINT"
Progress = Callable[[int, int | None], None]

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class PartFile:
    """A downloaded file before verification.

    Attributes:
        revision: commit of the file; None if a mirror does not report it.
        announced: sha256 reported by the hub; None for small files, which have none.
    """

    part: Path
    revision: str | None
    announced: str | None = None


def fetch(
    file: HubFile, revision: str | None, digest: str | None, target: Path, progress: Progress
) -> PartFile:
    """Download a file next to `target`, resuming an earlier interrupted download.

    Args:
        revision: commit; None uses `main`.
        digest: required sha256; None if unknown.
        target: final path of the file.
        progress: called with the bytes downloaded so far and the total if known.

    Raises:
        WeightsError: the file does not exist, differs from the required one, or is unreachable.
    """
    endpoint = os.environ.get(ENDPOINT_SETTING) or None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        return _copy(file, Path(endpoint.removeprefix("file://")), target, progress)
    with _map_errors(file):
        return _download(file, endpoint, revision, digest, target, progress)


def announced_bytes(file: HubFile) -> int | None:
    """Return the size of a file by the preset, the mirror or the hub; None if unknown.

    Raises:
        WeightsError: the hub does not have the file, or is unreachable.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    if file.size_bytes is not None:
        return file.size_bytes
    endpoint = os.environ.get(ENDPOINT_SETTING) or None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        source = Path(endpoint.removeprefix("file://")) / file.repo / file.file
        return source.stat().st_size if source.is_file() else None
    with _map_errors(file):
        url = hf_hub_url(file.repo, file.file, revision=file.revision, endpoint=endpoint)
        return get_hf_file_metadata(url, endpoint=endpoint).size


def _download(
    file: HubFile,
    endpoint: str | None,
    revision: str | None,
    digest: str | None,
    target: Path,
    progress: Progress,
) -> PartFile:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(file.repo, file.file, revision=revision, endpoint=endpoint)
    metadata = get_hf_file_metadata(url, endpoint=endpoint)
    if revision is not None and metadata.commit_hash not in (None, revision):
        raise WeightsError(
            f"{file}: revision {revision} was requested, but the hub returned "
            f"{metadata.commit_hash}"
        )
    etag = metadata.etag or "unknown"
    announced = etag if _DIGEST.fullmatch(etag) else None
    if None not in (digest, announced) and announced != digest:
        raise WeightsError(f"{file}: sha256 must be {digest}, but the hub reports {etag}")
    headers: dict[str, str] = build_hf_headers()
    if urlsplit(metadata.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # the token is for the hub, not for its file storage
    part = _part_file(target, etag)
    existing_bytes = part.stat().st_size if part.exists() else 0
    with part.open("ab") as stream, _quiet():
        counter = _ByteCounter(stream, existing_bytes, lambda done: progress(done, metadata.size))
        http_get(
            metadata.location,
            cast(BinaryIO, counter),
            resume_size=existing_bytes,
            headers=headers,
            expected_size=metadata.size,
        )
    return PartFile(part, metadata.commit_hash, announced)


def _copy(file: HubFile, mirror: Path, target: Path, progress: Progress) -> PartFile:
    """Copy a file from a local mirror, `<mirror>/<owner>/<name>/<file>`."""
    source = mirror / file.repo / file.file
    if not source.is_file():
        raise WeightsError(f"{file}: not in the mirror {mirror}; expected {source}")
    part = _part_file(target, "mirror")
    shutil.copyfile(source, part)
    size = part.stat().st_size
    progress(size, size)
    return PartFile(part, None)


def _part_file(target: Path, etag: str) -> Path:
    """Return the part file of this version, so that two versions never mix in one file."""
    version = new_sha256(etag.encode()).hexdigest()[:12]
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{version}.part")


class _ByteCounter(BufferedIOBase):
    """A file that reports its size while it is written; a restarted download counts from 0."""

    def __init__(self, stream: BinaryIO, size: int, report: Callable[[int], None]) -> None:
        self._stream, self._size, self._report = stream, size, report

    def write(self, chunk: Any) -> int:
        written = self._stream.write(chunk)
        self._size += written
        self._report(self._size)
        return written

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        self._size = self._stream.truncate(size)
        return self._size


@contextmanager
def _map_errors(file: HubFile) -> Iterator[None]:
    """Map errors of the hub's client to WeightsError."""
    import httpx2
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise WeightsError(
            f"{file}: access is gated; accept the terms on the hub, then set HF_TOKEN"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise WeightsError(
            f"{file}: repository, revision or file does not exist on the hub"
        ) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise WeightsError(f"{file}: the hub answered with HTTP status {status}") from error
    except (httpx2.HTTPError, OSError) as error:
        raise WeightsError(
            f"{file}: the download was interrupted ({type(error).__name__}: {error}); "
            "run the command again to resume it"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the client's own progress bar and its retry warnings."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub.file_download")
    bars_enabled, level = not are_progress_bars_disabled(), logger.level
    disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars_enabled:
            enable_progress_bars()
