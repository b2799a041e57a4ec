"""A job to be made: from files, addresses and uploads to the body of a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from service.contract.options import JobOptions
from service.contract.params import JobParams

Source = Path | str
"""A file, or an http or https address that the service fetches."""


@dataclass(frozen=True)
class Submission:
    """A job to be made; `key` makes it safe to send twice.

    Attributes:
        path: of the route that makes it.
        inputs: files and addresses by their names.
        uploads: ids of the inputs that were uploaded before, likewise.
    """

    path: str
    inputs: Mapping[str, Source]
    params: JobParams | None
    options: JobOptions | None
    key: str
    uploads: Mapping[str, str]

    @classmethod
    def of(
        cls,
        path: str,
        inputs: Mapping[str, Source],
        params: JobParams | None,
        options: JobOptions | None,
        key: str | None,
    ) -> Submission:
        """A job of which nothing was uploaded yet; its key is drawn when absent."""
        return cls(path, inputs, params, options, key or uuid4().hex, {})

    def to_upload(self, above_bytes: int) -> dict[str, Path]:
        """The files that go by a form: all when one is big, or when an input lies elsewhere."""
        files = {name: it for name, it in self.inputs.items() if isinstance(it, Path)}
        mixed = len(files) < len(self.inputs)
        big = any(file.stat().st_size > above_bytes for file in files.values())
        return files if mixed or big else {}

    def uploaded(self, uploads: Mapping[str, str]) -> Submission:
        """The same with the ids of what was uploaded."""
        left = {name: it for name, it in self.inputs.items() if name not in uploads}
        return replace(self, inputs=left, uploads=uploads)

    @contextmanager
    def content(self) -> Iterator[dict[str, Any]]:
        """Headers and body as keywords of httpx, with files open for one try."""
        headers = {"Idempotency-Key": self.key}
        models = {"params": self.params, "options": self.options}
        given = {name: model for name, model in models.items() if model is not None}
        files = {name: it for name, it in self.inputs.items() if isinstance(it, Path)}
        if not files:
            elsewhere = {f"{name}_url": it for name, it in self.inputs.items()}
            elsewhere |= {f"{name}_upload": it for name, it in self.uploads.items()}
            body = {name: model.model_dump(mode="json") for name, model in given.items()}
            yield {"headers": headers, "json": elsewhere | body}
            return
        with ExitStack() as stack:
            parts: dict[str, Any] = {
                name: (None, model.model_dump_json(), "application/json")
                for name, model in given.items()
            }
            for name, file in files.items():
                parts[name] = (file.name, stack.enter_context(open(file, "rb")))
            yield {"headers": headers, "files": parts}
