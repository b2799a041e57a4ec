"""What the two clients share: how requests are made, answers are read, and when to try again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.errors import ProblemError, ServiceError, UnreachableError

DEFAULT_URL = "http://127.0.0.1:8000"
# Sending a big video takes a while; a service that says nothing at all for this long is gone.
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
POLL_S = 0.5
# Files above this go to the object store by a signed form instead of through the gateway.
UPLOAD_ABOVE_BYTES = 64 * 1024 * 1024

RETRIED_STATUSES = (429, 503)
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 30.0

M = TypeVar("M", bound=BaseModel)
Source = Path | str
"""A file, or an http or https address that the service fetches."""


@dataclass(frozen=True)
class Retries:
    """When to ask again: the service is busy (429, 503) or nothing answers.

    Attributes:
        tries: requests in all, at least 1.
    """

    tries: int = 4

    def pause_s(self, done: int, answer: httpx.Response | None) -> float | None:
        """Seconds to wait after `done` tries; None to give up.

        Args:
            answer: of the last try; None when nothing answered.
        """
        if done >= self.tries or not _may_help(answer):
            return None
        told = "" if answer is None else answer.headers.get("retry-after", "")
        if re.fullmatch(r"[0-9]{1,6}", told):
            return min(float(told), MAX_PAUSE_S)
        return float(min(FIRST_PAUSE_S * 2 ** (done - 1), MAX_PAUSE_S))


@dataclass(frozen=True)
class Submission:
    """A job to be made; `key` makes it safe to send twice."""

    kind: str
    inputs: dict[str, Source]
    uploads: dict[str, str]
    params: JobParams | None
    options: JobOptions | None
    key: str

    @property
    def headers(self) -> dict[str, str]:
        """Of the request."""
        return {"Idempotency-Key": self.key}

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """The body as keywords of httpx, with files open for one try."""
        models = {"params": self.params, "options": self.options}
        given = {name: model for name, model in models.items() if model is not None}
        files = {name: it for name, it in self.inputs.items() if isinstance(it, Path)}
        if not files:
            elsewhere = {f"{name}_url": it for name, it in self.inputs.items()}
            elsewhere |= {f"{name}_upload": it for name, it in self.uploads.items()}
            body = {name: model.model_dump(mode="json") for name, model in given.items()}
            yield {"json": elsewhere | body}
            return
        with ExitStack() as stack:
            parts: dict[str, Any] = {
                name: (None, model.model_dump_json(), "application/json")
                for name, model in given.items()
            }
            for name, file in files.items():
                parts[name] = (file.name, stack.enter_context(open(file, "rb")))
            yield {"files": parts}


RETRIES = Retries()


def _may_help(answer: httpx.Response | None) -> bool:
    """Whether another try may end otherwise: 409 with a time is a key that is in use."""
    if answer is None or answer.status_code in RETRIED_STATUSES:
        return True
    return answer.status_code == 409 and "retry-after" in answer.headers


def to_be_uploaded(inputs: dict[str, Source], above_bytes: int) -> dict[str, Path]:
    """The files that go by a form: big ones, and all as soon as one input lies elsewhere."""
    files = {name: it for name, it in inputs.items() if isinstance(it, Path)}
    mixed = len(files) < len(inputs)
    big = any(file.stat().st_size > above_bytes for file in files.values())
    return files if mixed or big else {}


def submission(
    kind: str,
    inputs: dict[str, Source],
    uploads: dict[str, str],
    params: JobParams | None,
    options: JobOptions | None,
    key: str | None,
) -> Submission:
    """A job to be made from what was not uploaded and what was."""
    left = {name: it for name, it in inputs.items() if name not in uploads}
    return Submission(kind, left, uploads, params, options, key or uuid4().hex)


def filters(
    limit: int, states: tuple[JobState, ...], after: datetime | None, before: datetime | None
) -> dict[str, Any]:
    """The query of a list of jobs."""
    query: dict[str, Any] = {"limit": limit, "status": [state.value for state in states]}
    times = {"created_after": after, "created_before": before}
    return query | {name: time.isoformat() for name, time in times.items() if time is not None}


def read(model: type[M], answer: httpx.Response) -> M:
    """The model in an answer. Raises UnreachableError when something else answers there."""
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise UnreachableError(f"what answers at {answer.url} is not tcan: {error}") from error


def problem(answer: httpx.Response) -> ProblemError:
    """The refusal in an answer that was read."""
    try:
        body = answer.json()
        return ProblemError(answer.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        return ProblemError(answer.status_code, "http", f"HTTP {answer.status_code}")


def refusal(
    base: httpx.URL, answer: httpx.Response | None, error: Exception | None
) -> ServiceError:
    """What the last try came to: a refusal, or nothing."""
    if answer is not None:
        return problem(answer)
    assert error is not None
    return silence(base, error)


def silence(base: httpx.URL, error: Exception) -> UnreachableError:
    """Nothing answered."""
    return UnreachableError(f"no answer from {base}: {error or type(error).__name__}")
