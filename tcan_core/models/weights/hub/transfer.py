"""One file from the hub, or from a mirror, into a part file that a broken transfer goes on with."""

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
class Fetched:
    """A file as it came, not yet looked at.

    Attributes:
        part: where it lies.
        revision: the commit it belongs to, or None where a mirror does not tell.
        announced: sha256 that the hub gave for it, or None; small files have none.
    """

    part: Path
    revision: str | None
    announced: str | None = None


def fetch(
    file: HubFile, revision: str | None, digest: str | None, target: Path, progress: Progress
) -> Fetched:
    """Bring a file beside `target`, going on with what an earlier call left there.

    Args:
        revision: commit to take; None takes `main`.
        digest: sha256 that it must have, where one is known.
        progress: told bytes that are there, and bytes in all where known.

    Raises:
        WeightsError: the file is not there, is another one than asked for, or cannot be reached.
    """
    endpoint = os.environ.get(ENDPOINT_SETTING) or None
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        return _copy(file, Path(endpoint.removeprefix("file://")), target, progress)
    with _told(file):
        return _download(file, endpoint, revision, digest, target, progress)


def _download(
    file: HubFile,
    endpoint: str | None,
    revision: str | None,
    digest: str | None,
    target: Path,
    progress: Progress,
) -> Fetched:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    url = hf_hub_url(file.repo, file.file, revision=revision, endpoint=endpoint)
    found = get_hf_file_metadata(url, endpoint=endpoint)
    if revision is not None and found.commit_hash not in (None, revision):
        raise WeightsError(f"{file}: asked for {revision}, got {found.commit_hash}")
    etag = found.etag or "unknown"
    announced = etag if _DIGEST.fullmatch(etag) else None
    if None not in (digest, announced) and announced != digest:
        raise WeightsError(f"{file}: sha256 must be {digest}, the hub announces {etag}")
    headers: dict[str, str] = build_hf_headers()
    if urlsplit(found.location).netloc != urlsplit(url).netloc:
        headers.pop("authorization", None)  # a token is for the hub, not for where it stores files
    part = _part_file(target, etag)
    there = part.stat().st_size if part.exists() else 0
    with part.open("ab") as stream, _quiet():
        counted = _Counted(stream, there, lambda done: progress(done, found.size))
        http_get(
            found.location,
            cast(BinaryIO, counted),
            resume_size=there,
            headers=headers,
            expected_size=found.size,
        )
    return Fetched(part, found.commit_hash, announced)


def _copy(file: HubFile, mirror: Path, target: Path, progress: Progress) -> Fetched:
    """Take a file of a local mirror, `<mirror>/<owner>/<name>/<file>`."""
    source = mirror / file.repo / file.file
    if not source.is_file():
        raise WeightsError(f"{file}: the mirror {mirror} has no {source}")
    part = _part_file(target, "mirror")
    shutil.copyfile(source, part)
    size = part.stat().st_size
    progress(size, size)
    return Fetched(part, None)


def _part_file(target: Path, etag: str) -> Path:
    """Name the part file after what is fetched, so that two versions never mix in one."""
    mark = new_sha256(etag.encode()).hexdigest()[:12]
    target.parent.mkdir(parents=True, exist_ok=True)
    return target.with_name(f".{target.name}.{mark}.part")


class _Counted(BufferedIOBase):
    """A file that tells how much of it is there; a transfer that starts anew counts anew."""

    def __init__(self, stream: BinaryIO, there: int, tell: Callable[[int], None]) -> None:
        self._stream, self._there, self._tell_size = stream, there, tell

    def write(self, chunk: Any) -> int:
        written = self._stream.write(chunk)
        self._there += written
        self._tell_size(self._there)
        return written

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        self._there = self._stream.truncate(size)
        return self._there


@contextmanager
def _told(file: HubFile) -> Iterator[None]:
    """Turn what the hub's client raises into one sentence."""
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
            f"{file}: its owner asks for consent first; accept it on the hub, then set HF_TOKEN"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise WeightsError(f"{file}: the hub has no such repository, revision or file") from error
    except HfHubHTTPError as error:
        raise WeightsError(f"{file}: the hub answered {error.response.status_code}") from error
    except (httpx2.HTTPError, OSError) as error:
        raise WeightsError(
            f"{file}: the transfer broke ({type(error).__name__}: {error}); "
            "call the command again to go on with it"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the client's own progress bar and its warnings about retries out of ours."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    logger = logging.getLogger("huggingface_hub.file_download")
    shown, level = not are_progress_bars_disabled(), logger.level
    disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if shown:
            enable_progress_bars()
